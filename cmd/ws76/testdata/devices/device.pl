# A server of Protocol::WebSocket, which speaks the dialect of its client, or only the one
# that its argument names (75 or 76): it repeats what it is told. "close" has it close.
use strict;
use warnings;
use IO::Socket::INET;
use Protocol::WebSocket::Handshake::Server;

$SIG{CHLD} = 'IGNORE';
my %drafts = (75 => 'draft-hixie-75', 76 => 'draft-ietf-hybi-00');
my $only = @ARGV ? $drafts{$ARGV[0]} : undef;
my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1:0', ReuseAddr => 1) or die $@;
$| = 1;
print $listener->sockport, "\n";
while (my $conn = $listener->accept) {
    next if fork;
    serve($conn);
    exit 0;
}

sub serve {
    my ($conn) = @_;
    my $hs = Protocol::WebSocket::Handshake::Server->new;
    while (!$hs->is_done) {
        sysread($conn, my $chunk, 4096) or return;
        $hs->parse($chunk) or return;
    }
    return if $only && $hs->version ne $only;
    syswrite $conn, $hs->to_string;
    my $in = $hs->build_frame(max_payload_size => 1 << 20);
    my $closing = "\xff\x00";
    while (sysread($conn, my $chunk, 4096)) {
        if (index($chunk, $closing) >= 0) {
            syswrite $conn, $closing if $hs->version eq 'draft-ietf-hybi-00';
            return;
        }
        $in->append($chunk);
        while (defined(my $message = $in->next_bytes)) {
            if ($message eq 'close') {
                syswrite $conn, $closing if $hs->version eq 'draft-ietf-hybi-00';
                return;
            }
            syswrite $conn, "\x00$message\xff";
        }
    }
}
