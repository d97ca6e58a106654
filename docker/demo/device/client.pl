#!/usr/bin/perl
# A WebSocket client of today (RFC 6455, by Protocol::WebSocket) that shows the demo
# working: "ok" or "not ok" a line, exit status 0 if all is ok.
#
# usage: client.pl INSTRUMENT GATEWAY    each HOST:PORT
use strict;
use warnings;
use Encode ();
use IO::Select;
use IO::Socket::INET;
use Protocol::WebSocket::Frame;
use Protocol::WebSocket::Handshake::Client;

my ($instrument, $gateway) = @ARGV;
my $TIMEOUT = 10;
my ($socket, $in);
$| = 1;

# The instrument may be starting.
my $refusal;
for (1 .. 50) { last if $refusal = open_websocket($instrument); select undef, undef, undef, 0.2 }
$refusal && $refusal =~ / 400 / ? ok('the instrument refuses RFC 6455') : not_ok('the instrument alone: ' . ($refusal // 'no answer'));

my $status = open_websocket($gateway);
$status && $status =~ / 101 / ? ok('ws76 opens the instrument for RFC 6455') : not_ok('ws76: ' . ($status // 'no answer'));
my $last = 0;
for (1 .. 3) {
    my ($number) = reading('C');
    $number == $last + 1 ? ok("reading $number") : not_ok("reading $number after $last");
    $last = $number;
}
put('F');
reading('F');
ok('the instrument heard: readings in °F');
put(pack('n', 1000), type => 'close');
while (1) {
    my $frame = event();
    next unless $frame->is_close;
    my $code = unpack 'n', $frame->{closed};
    $code == 1000 ? ok('closing handshake') : not_ok("closing handshake: $code");
    last;
}

# Opens a WebSocket and returns the status line, nothing if there is no answer.
sub open_websocket {
    my ($address) = @_;
    $socket = IO::Socket::INET->new(PeerAddr => $address, Timeout => $TIMEOUT) or return;
    my $handshake = Protocol::WebSocket::Handshake::Client->new(url => "ws://$address/readings");
    print $socket $handshake->to_string;
    my $head = '';
    until ($head =~ /\r\n\r\n/) {
        IO::Select->new($socket)->can_read($TIMEOUT) && sysread $socket, $head, 1, length $head or return;
    }
    $in = Protocol::WebSocket::Frame->new;
    my ($line) = $head =~ /^(.*)\r\n/;
    $handshake->parse($head) or return $line =~ / 101 / ? undef : $line;
    return $line;
}

# The next reading in a unit: those in another one may be on their way.
sub reading {
    my ($unit) = @_;
    for (1 .. 20) {
        my $text = event()->{text} // not_ok('no reading, but the end');
        my ($number, $got) = $text =~ /^(\d+): -?\d+\.\d °([CF])$/ or not_ok("a reading like $text");
        return $number if $got eq $unit;
    }
    not_ok("no reading in $unit");
}

# The next message, or the Close frame.
sub event {
    while (1) {
        my $bytes = $in->next_bytes;
        if (defined $bytes) {
            return bless {closed => $bytes}, 'Event' if $in->is_close;
            return bless {text => $bytes}, 'Event' if $in->is_text;
            next;
        }
        IO::Select->new($socket)->can_read($TIMEOUT) && sysread $socket, my $chunk, 4096 or not_ok('nothing comes any more');
        $in->append($chunk);
    }
}

sub Event::is_close { defined $_[0]{closed} }

sub put { my $payload = shift; print $socket Protocol::WebSocket::Frame->new(buffer => $payload, masked => 1, @_)->to_bytes }

sub ok { print "ok - $_[0]\n" }

sub not_ok {
    print "not ok - $_[0]\n";
    exit 1;
}
