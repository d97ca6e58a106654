#!/usr/bin/perl
# A WebSocket client of 2010 (-76, by Protocol::WebSocket) that shows a demo
# working: "ok" or "not ok" a line, exit status 0 if all is ok.
#
# usage: client.pl URL [page | tls CA | endure SECONDS]
#
#   page      also fetches / from the same port
#   tls       with TLS 1.0, then 1.2, verified by CA
#   endure    talks on for this long; whenever the server says goodbye it must be
#             with FF 00, and the client comes back. No message may be lost.
use strict;
use warnings;
use utf8;
use Encode ();
use IO::Select;
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

my ($url, $mode, @more) = @ARGV;
my ($scheme, $host, $port, $path) = ($url // '') =~ m{^(wss?)://([^:/]+):(\d+)(/.*)$}
  or die "usage: $0 ws://HOST:PORT/PATH [page | tls CA | endure SECONDS]\n";
$mode //= '';
my $VERSION = 'draft-ietf-hybi-00';
my $TIMEOUT = 10;
$| = 1;
$SIG{PIPE} = 'IGNORE';

my ($socket, $handshake, $in, $tls);

if    ($mode eq 'endure') { endure($more[0]) }
elsif ($mode eq 'tls')    { for (qw(TLSv1 TLSv1_2)) { $tls = $_; converse() } }
else                      { converse(); page() if $mode eq 'page' }
exit 0;

sub converse {
    connect_within(30);
    ok('opening handshake of -76, with the right challenge response');
    for my $text ('Hello', 'Grüße, 世界, 😀', 'x' x 70_000) {
        put(frame($text));
        my $got = event();
        $got eq "text $text" ? ok('echo of ' . length($text) . ' characters') : not_ok("echo: $got");
    }
    put($handshake->build_frame(type => 'close')->to_bytes);
    my $got = event();
    $got eq 'FF 00' ? ok('closing handshake') : not_ok("closing handshake: $got");
}

# Messages are numbered. What was not said back before a goodbye is sent again.
sub endure {
    my ($seconds) = @_;
    my ($until, $next, $goodbyes) = (time + $seconds, 1, 0);
    connect_within(30);
    ok('opening handshake of -76');
    while (time < $until) {
        my $text = "message $next";
        my $got = put(frame($text)) ? event() : 'a broken connection';
        if ($got eq "text $text") {
            $next++;
            select undef, undef, undef, 0.02;
        }
        elsif ($got eq 'FF 00') {
            $goodbyes++;
            connect_within(30);
        }
        else {
            not_ok("message $next: $got");
        }
    }
    ok(($next - 1) . " messages said back, $goodbyes goodbyes with FF 00");
}

# A port that refuses or is not ready is tried again: the demo may be starting.
sub connect_within {
    my ($seconds) = @_;
    my $why;
    for (my $end = time + $seconds; time <= $end; select undef, undef, undef, 0.2) {
        ($socket, $in, $why) = (undef, '', undef);
        $why = eval { open_websocket(); 1 } ? undef : $@;
        return unless defined $why;
    }
    not_ok("opening handshake: $why");
}

sub open_websocket {
    $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => $TIMEOUT) or die "$@\n";
    start_tls() if defined $tls;
    $handshake = Protocol::WebSocket::Handshake::Client->new(url => $url, version => $VERSION);
    $handshake->req->origin('http://kiosk.example');
    put($handshake->to_string) or die "not sent\n";
    my $head = '';
    until ($handshake->is_done) {
        more() if $in eq '';
        die "no answer\n" if $in eq '';
        $head .= $in;
        $handshake->parse($in) or die $handshake->error . ': ' . substr($head, 0, 100) . "\n";
    }
    my ($location) = $head =~ /^Sec-WebSocket-Location: (.*)\r$/m;
    not_ok("Location $location instead of $url") if $location ne $url;
}

sub start_tls {
    no warnings 'once';
    require IO::Socket::SSL;
    IO::Socket::SSL->start_SSL($socket,
        SSL_version     => $tls,
        SSL_cipher_list => $tls eq 'TLSv1' ? 'AES128-SHA:@SECLEVEL=0' : 'DEFAULT',
        SSL_ca_file     => $more[0], SSL_verifycn_scheme => 'http', SSL_verifycn_name => $host,
    ) or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
    ok('TLS: ' . $socket->get_sslversion . ' ' . $socket->get_cipher);
}

sub page {
    my $page = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => $TIMEOUT) or not_ok("page: $@");
    print $page "GET / HTTP/1.0\r\nHost: $host:$port\r\n\r\n";
    my $got = join '', <$page>;
    $got =~ m{^HTTP/1\.[01] 200 .*The app's page, for (.*) by }s or not_ok("page: $got");
    ok("a page on the same port; the app sees $1, this client is " . $page->sockhost);
}

sub frame { $handshake->build_frame(buffer => Encode::encode('UTF-8', $_[0]))->to_bytes }

# The next thing on the wire: "text ...", "FF 00", or why there is none.
sub event {
    while (1) {
        if ($in =~ s/^(\x00[^\xff]*\xff)//) {
            return 'text ' . Protocol::WebSocket::Frame->new(version => $VERSION, buffer => $1)->next;
        }
        return 'FF 00' if $in =~ s/^\xff\x00//;
        my $before = length $in;
        more();
        return 'the end of TCP without FF 00' if length $in == $before;
    }
}

sub more {
    $socket->can('pending') && $socket->pending or IO::Select->new($socket)->can_read($TIMEOUT) or return;
    sysread $socket, $in, 65_536, length $in;
}

sub put {
    my ($bytes) = @_;
    while (length $bytes) {
        my $n = syswrite $socket, $bytes or return;
        substr $bytes, 0, $n, '';
    }
    return 1;
}

sub ok { print "ok - $_[0]\n" }

sub not_ok {
    print 'not ok - ', Encode::encode('UTF-8', $_[0]), "\n";
    exit 1;
}
