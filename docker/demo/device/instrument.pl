#!/usr/bin/perl
# An instrument of 2010: a thermometer with a page at / and live readings by WebSocket at
# /readings, which is -76 (by Protocol::WebSocket) and nothing else. The text "F" or "C"
# chooses the unit.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Protocol::WebSocket::Handshake::Server;
use Time::HiRes qw(time);

$SIG{CHLD} = 'IGNORE';
$SIG{TERM} = sub { exit 0 };    # PID 1 of a container has no default
my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '0.0.0.0:8000', ReuseAddr => 1) or die $@;
while (1) {
    my $conn = $listener->accept or next;
    next if fork;
    serve($conn);
    exit 0;
}

sub serve {
    my ($conn) = @_;
    my $got = '';
    until ($got =~ /\r\n\r\n/) {
        sysread $conn, $got, 4096, length $got or return;
    }
    if ($got =~ m{^GET /readings .*^Sec-WebSocket-Key1:}ms) { readings($conn, $got) }
    elsif ($got =~ m{^GET / })                              { answer($conn, '200 OK', join '', <DATA>) }
    else                                                    { answer($conn, '400 Bad Request', 'This instrument has / and a WebSocket of -76 at /readings.') }
}

sub answer {
    my ($conn, $status, $body) = @_;
    print $conn "HTTP/1.1 $status\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n", $body;
}

sub readings {
    my ($conn, $got) = @_;
    my $handshake = Protocol::WebSocket::Handshake::Server->new;
    until ($handshake->parse($got) && $handshake->is_done) {
        return if $handshake->error;
        sysread $conn, $got, 4096 or return;
    }
    syswrite $conn, $handshake->to_string;
    my ($number, $unit, $in, $waiting) = (0, 'C', $handshake->build_frame, IO::Select->new($conn));
    my $due = time;
    while (1) {
        my $wait = $due - time;
        if ($wait > 0 && $waiting->can_read($wait)) {
            sysread $conn, my $chunk, 4096 or return;
            if ($chunk =~ /\xff\x00/) { syswrite $conn, "\xff\x00"; return }
            $in->append($chunk);
            while (defined(my $message = $in->next_bytes)) { $unit = $message if $message =~ /^[CF]$/ }
        }
        elsif ($wait <= 0) {
            $due += 0.2;
            my $celsius = 20 + 3 * sin $number++ / 5;
            my $reading = sprintf '%d: %.1f °%s', $number, $unit eq 'C' ? $celsius : $celsius * 9 / 5 + 32, $unit;
            syswrite $conn, "\x00$reading\xff";    # "use utf8" is off: the bytes of this file
        }
    }
}

__DATA__
<!DOCTYPE html>
<meta charset="utf-8">
<title>Thermometer</title>
<h1 id="reading">no reading yet</h1>
<p id="state">connecting</p>
<p><button onclick="socket.send('C')">°C</button> <button id="fahrenheit" onclick="socket.send('F')">°F</button></p>
<script>
function show(id, text) { document.getElementById(id).innerHTML = text; }
var socket = new WebSocket('ws://' + location.host + '/readings');
socket.onopen = function () { show('state', 'connected'); };
socket.onmessage = function (event) { show('reading', event.data); };
socket.onclose = function () { show('state', 'not connected'); };
</script>
