#!/usr/bin/perl
# A hixie-75/-76 WebSocket client on top of Protocol::WebSocket.
#
# usage: client.pl 75|76 HOST PORT PATH SCENARIO [ORIGIN [TLSv1|TLSv1_2 CA]]
#
# Expects a peer that behaves like backend.js. Prints one "ok" or "not ok" line
# per check and exits 0 only if all of them hold. Lines starting with "#" show
# the handshake heads.
use strict;
use warnings;
use Encode ();
use IO::Select;
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

my %VERSION = (75 => 'draft-hixie-75', 76 => 'draft-ietf-hybi-00');
my $TIMEOUT = 10;

my %SCENARIO = (
    first           => [\&end],
    ascii           => [\&ascii, \&end],
    empty           => [\&empty, \&end],
    astral          => [\&astral, \&end],
    big             => [\&big, \&end],
    burst           => [\&burst, \&end],
    all             => [\&ascii, \&empty, \&astral, \&big, \&burst, \&end],
    subprotocol     => [\&end],
    'client-close'  => [\&end],
    'backend-close' => [\&backend_close],
    drop            => [\&backend_drop],
    vanish          => [],
);

my ($dialect, $host, $port, $path, $scenario, $origin, $tls, $ca) = @ARGV;
die "usage: $0 75|76 HOST PORT PATH SCENARIO [ORIGIN [TLSv1|TLSv1_2 CA]]\n"
  unless defined $scenario && $VERSION{$dialect} && $SCENARIO{$scenario};
$origin = 'http://page.example' unless defined $origin;

$| = 1;
$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { fail('the whole run', 'takes too long') };
alarm 60;

my $subprotocol = $scenario eq 'subprotocol' ? 'chat' : undef;
my $socket      = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Proto => 'tcp', Timeout => $TIMEOUT)
  or fail('connect', $@);
start_tls() if defined $tls;
my $select = IO::Select->new($socket);
my $in     = '';    # received, not yet consumed

my $handshake = handshake();
expect('first', 'welcome');
$_->() for @{$SCENARIO{$scenario}};
close $socket;
exit 0;

# --- scenarios ---

sub ascii {
    echo('ascii, short',      'Hello');
    echo('ascii, printable',  join '', map { chr } 0x20 .. 0x7e);
    echo('ascii, line breaks', "tab\tCR\rLF\nCRLF\r\n");
}

sub empty { echo('empty', '') }

sub astral {
    echo('astral, one code point',  "\x{1F600}");
    echo('astral, 1 to 4 bytes',    "a\x{e9}\x{20ac}\x{1F600}z");
    echo('astral, range limits',    "\x{7f}\x{80}\x{7ff}\x{800}\x{d7ff}\x{e000}\x{fffc}\x{10000}\x{10fffd}");
}

sub big {
    echo('big, ascii',      'x' x 70_000);
    echo('big, multi-byte', "a\x{e9}\x{20ac}\x{1F600}" x 7_000);
}

sub burst {
    my @messages = map { "message $_" } 0 .. 499;
    put(join '', map { frame($_) } @messages);
    expect('burst of echoes', @messages);

    put(frame('!burst 500'));
    expect('burst of the backend', map { "burst $_" } 0 .. 499);
}

sub backend_close {
    put(frame('!close 1000 bye'));
    if ($dialect == 76) {
        check('closing frame from the backend side', event(), 'FF 00');
        put($handshake->build_frame(type => 'close')->to_bytes);
    }
    check('end of stream', event(), 'EOF');
}

sub backend_drop {
    put(frame('!drop'));
    check('end of stream without closing frame', event(), 'EOF');
}

# A 75 client has no closing handshake, it just closes.
sub end {
    return unless $dialect == 76;
    put($handshake->build_frame(type => 'close')->to_bytes);
    check('closing frame answered', event(), 'FF 00');
    check('end of stream',          event(), 'EOF');
}

# --- TLS ---

# As a client of 2010 would: RSA key exchange and CBC with TLS 1.0.
sub start_tls {
    require IO::Socket::SSL;
    IO::Socket::SSL->start_SSL(
        $socket,
        SSL_version         => $tls,
        SSL_cipher_list     => $tls eq 'TLSv1' ? 'AES128-SHA:@SECLEVEL=0' : 'DEFAULT',
        SSL_ca_file         => $ca,
        SSL_verifycn_scheme => 'http',
        SSL_verifycn_name   => $host,
    ) or fail('TLS handshake', $IO::Socket::SSL::SSL_ERROR);
    pass('TLS handshake: ' . $socket->get_sslversion . ' ' . $socket->get_cipher);
}

# --- opening handshake ---

sub handshake {
    my $authority = lc $host . ($port == 80 ? '' : ":$port");
    my $scheme    = defined $tls ? 'wss' : 'ws';
    my $hs = Protocol::WebSocket::Handshake::Client->new(
        url     => "$scheme://$authority$path",
        version => $VERSION{$dialect},
    );
    $hs->req->origin($origin);
    $hs->req->subprotocol($subprotocol) if defined $subprotocol;
    $hs->req->{headers} = [Cookie => 'client=perl'];

    my $request = $hs->to_string;
    show('>', $request);
    put($request);

    my $received = '';
    until ($hs->is_done) {
        my $more = $in eq '' ? more() : '';
        fail('handshake', "$more after " . length($received) . ' bytes') if $more;
        $received .= $in;
        $hs->parse($in) or fail('handshake', brief($hs->error . " Received: $received"));
    }
    my ($head) = $received =~ /^(.*?\r\n)\r\n/s or fail('handshake', 'no CRLF CRLF');
    show('<', $head);
    pass($dialect == 76 ? 'handshake, with the right challenge response' : 'handshake');

    # What the browsers of the time compare, byte for byte.
    my $sec = $dialect == 76 ? 'Sec-' : '';
    my ($status, @fields) = split /\r\n/, $head;
    check('status line', $status, $dialect == 76
        ? 'HTTP/1.1 101 WebSocket Protocol Handshake'
        : 'HTTP/1.1 101 Web Socket Protocol Handshake');
    check('first two fields', "@fields[0, 1]", 'Upgrade: WebSocket Connection: Upgrade');
    check('origin',   field("${sec}WebSocket-Origin",   @fields), $origin);
    check('location', field("${sec}WebSocket-Location", @fields), "$scheme://$authority$path");
    check('subprotocol', field("${sec}WebSocket-Protocol", @fields), defined $subprotocol ? $subprotocol : '(none)');
    return $hs;
}

sub field {
    my ($name, @fields) = @_;
    return join(' | ', map { /^\Q$name\E: (.*)/si ? $1 : () } @fields) || '(none)';
}

# --- frames ---

sub frame { return $handshake->build_frame(buffer => Encode::encode('UTF-8', $_[0]))->to_bytes }

sub echo {
    my ($name, $text) = @_;
    put(frame($text));
    expect($name, $text);
}

sub expect {
    my ($name, @texts) = @_;
    for my $i (0 .. $#texts) {
        my $got = event();
        fail($name, "message $i: " . brief($got) . ' instead of ' . brief("text $texts[$i]"))
          unless $got eq "text $texts[$i]";
    }
    pass($name);
}

# The next thing on the wire: "text ...", "FF 00", "EOF", or what went wrong.
sub event {
    while (1) {
        if ($in =~ s/^(\x00[^\xff]*\xff)//) {
            my $frame = Protocol::WebSocket::Frame->new(version => $VERSION{$dialect}, buffer => $1);
            return 'text ' . $frame->next;
        }
        return 'FF 00' if $in =~ s/^\xff\x00//;
        return 'stray bytes ' . unpack('H*', substr $in, 0, 20) if $in =~ /^(?:[^\x00\xff]|\xff[^\x00])/;

        my $stop = more() or next;
        return $stop if $in eq '';
        return "$stop inside a frame";
    }
}

# --- bytes ---

# Appends to $in. Returns nothing, or the reason why there is no more.
sub more {
    defined $tls && $socket->pending or $select->can_read($TIMEOUT) or return 'timeout';
    my $n = sysread $socket, $in, 65_536, length $in;
    return "read error: $!" unless defined $n;
    return $n ? '' : 'EOF';
}

sub put {
    my ($bytes) = @_;
    while (length $bytes) {
        $select->can_write($TIMEOUT) or fail('write', 'timeout');
        my $n = syswrite $socket, $bytes;
        fail('write', $!) unless defined $n;
        substr $bytes, 0, $n, '';
    }
}

# --- report ---

sub pass { print "ok - $_[0]\n" }

sub fail {
    my ($name, $why) = @_;
    print 'not ok - ', printable("$name: $why"), "\n";
    exit 1;
}

sub check {
    my ($name, $got, $want) = @_;
    $got eq $want ? pass($name) : fail($name, brief($got) . ' instead of ' . brief($want));
}

sub brief {
    my ($text) = @_;
    return length $text > 200 ? substr($text, 0, 200) . '... (' . length($text) . ' characters)' : $text;
}

sub printable {
    my ($text) = @_;
    $text =~ s/([^\x20-\x7e])/sprintf '\x{%02x}', ord $1/ge;
    return $text;
}

sub show {
    my ($mark, $head) = @_;
    print "# $mark ", printable($_), "\n" for split /\r\n/, $head;
}
