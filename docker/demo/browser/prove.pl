#!/usr/bin/perl
# PhantomJS, a WebKit of 2011, and Chromium of today in one room: each hears what the other
# says. Prints "ok" or "not ok" a line, leaves a screenshot of each, and ends with status 0
# if all is ok.
#
# usage: prove.pl URL DIRECTORY      the room's page, and where the screenshots go
#
# Both are driven by WebDriver: PhantomJS has it built in, chromedriver does it for
# Chromium.
use strict;
use warnings;
use utf8;
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64 'decode_base64';

my ($url, $directory) = @ARGV;
die "usage: $0 URL DIRECTORY\n" unless defined $directory;
my $PATIENCE = 30;
$| = 1;
binmode STDOUT, ':encoding(UTF-8)';
my @children;
END { kill 'TERM', @children if @children }
my $http = HTTP::Tiny->new(timeout => $PATIENCE);

my @browsers = (
    {   name => 'PhantomJS', says => 'Grüße aus 2011 😀', base => 'http://127.0.0.1:8910', execute => 'execute',
        # PhantomJS 1.9 crashes with OpenSSL 3 unless it looks elsewhere for certificates.
        command => [qw(phantomjs --webdriver=127.0.0.1:8910 --ssl-certificates-path=/nonexistent)],
        wants   => { desiredCapabilities => {} },
    },
    {   name => 'Chromium', says => 'Grüße zurück ☃ Ж', base => 'http://127.0.0.1:9515', execute => 'execute/sync',
        command => [qw(chromedriver --port=9515)],
        wants   => { capabilities => { alwaysMatch => { 'goog:chromeOptions' => {
            args => ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--window-size=640,640'] } } } },
    },
);

start($_) for @browsers;
for my $b (@browsers) {
    wait_for($b, 'state', 'open');
    ok("$b->{name} is in the room: " . run($b, 'return navigator.userAgent'));
}
for my $b (@browsers) {
    wait_for_line($b, "$_->{name}: is here") for @browsers;
    run($b, "return send('$b->{says}')");
}
for my $b (@browsers) {
    wait_for_line($b, "$_->{name}: $_->{says}") for @browsers;
    ok("$b->{name} hears everybody");
}
my ($old, $new) = map { join ' | ', @{run($_, 'return lines')} } @browsers;
$old eq $new ? ok("both show $old") : not_ok("PhantomJS shows $old, Chromium $new");
screenshot($_) for @browsers;
for my $b (@browsers) {
    run($b, 'return leave()');
    wait_for($b, 'state', 'closed');
}
ok('closing handshake');
ask('DELETE', $_, '') for @browsers;
exit 0;

# start starts a browser's driver and opens the room.
sub start {
    my ($b) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        exec @{$b->{command}} or die "$b->{command}[0]: $!\n";
    }
    push @children, $pid;
    until_true("$b->{name}'s driver", sub { $http->get("$b->{base}/status")->{success} });
    $b->{session} = '';
    my $session = call($http->post("$b->{base}/session", content($b->{wants})), "$b->{name}: session");
    my $id = $session->{sessionId} // $session->{value}{sessionId};
    $b->{session} = "/session/$id";
    ask('POST', $b, '/url', { url => "$url?$b->{name}" });
}

sub content { return { headers => { 'Content-Type' => 'application/json' }, content => encode_json($_[0]) } }

# ask asks the driver of a browser and is what it answers.
sub ask {
    my ($method, $b, $path, $body) = @_;
    my $answer = $http->request($method, "$b->{base}$b->{session}$path", defined $body ? content($body) : {});
    return call($answer, "$b->{name}: $method $path")->{value};
}

sub call {
    my ($answer, $what) = @_;
    $answer->{success} or not_ok("$what: $answer->{status} " . substr($answer->{content}, 0, 300));
    return length $answer->{content} ? decode_json($answer->{content}) : {};
}

sub run {
    my ($b, $script) = @_;
    return ask('POST', $b, "/$b->{execute}", { script => $script, args => [] });
}

sub wait_for {
    my ($b, $variable, $want) = @_;
    until_true("$b->{name}: $variable $want", sub { run($b, "return $variable") eq $want });
}

sub wait_for_line {
    my ($b, $want) = @_;
    until_true("$b->{name}: $want", sub { grep { $_ eq $want } @{run($b, 'return lines')} });
}

sub until_true {
    my ($what, $test) = @_;
    for (my $end = time + $PATIENCE; time <= $end; select undef, undef, undef, 0.1) {
        return if $test->();
    }
    not_ok("$what: not in $PATIENCE s");
}

sub screenshot {
    my ($b) = @_;
    my $file = "$directory/" . lc($b->{name}) . '.png';
    open my $out, '>:raw', $file or not_ok("$file: $!");
    print $out decode_base64(ask('GET', $b, '/screenshot'));
    close $out or not_ok("$file: $!");
    ok("$file is what $b->{name} shows");
}

sub ok { print "ok - $_[0]\n" }

sub not_ok {
    print "not ok - $_[0]\n";
    exit 1;
}
