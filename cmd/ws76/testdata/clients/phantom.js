// A page in PhantomJS 1.9, whose WebSocket speaks hixie-76.
//
// usage: phantomjs --ssl-certificates-path=/nonexistent phantom.js ws://HOST:PORT/PATH SCENARIO [PAGE_URL]
//
// Expects a peer that behaves like backend.js. Prints one "ok" or "not ok" line
// per check and exits 0 only if all of them hold. Without --ssl-certificates-path
// PhantomJS 1.9 crashes on systems with OpenSSL 3.

var args = require('system').args;
var page = require('webpage').create();
var failed = false;

function print(ok, text) {
    failed = failed || !ok;
    console.log((ok ? 'ok - ' : 'not ok - ') + text);
}

function exit() {
    setTimeout(function () { phantom.exit(failed ? 1 : 0); }, 0);
}

function die(text) {
    print(false, text);
    exit();
}

setTimeout(function () { die('the whole run: takes too long'); }, 25000);
phantom.onError = page.onError = function (message) { die('script: ' + message); };
page.onConsoleMessage = function (line) { console.log('# ' + line); };
page.onCallback = function (event) {
    if (event === 'exit') {
        exit();
    } else {
        print(event.ok, event.text);
    }
};

// Runs inside the page.
function run(url, scenario) {
    function repeat(text, n) {
        return new Array(n + 1).join(text);
    }
    function numbered(prefix, n) {
        var list = [];
        for (var i = 0; i < n; i++) {
            list.push(prefix + i);
        }
        return list;
    }
    function brief(text) {
        return text.length > 80 ? text.slice(0, 80) + '... (' + text.length + ' UTF-16 units)' : text;
    }
    function check(ok, name, why) {
        window.callPhantom({ ok: ok, text: ok ? name : name + ': ' + why });
    }
    function exit() {
        clearTimeout(timer);
        window.callPhantom('exit');
    }
    function fail(name, why) {
        socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
        check(false, name, why);
        exit();
    }
    function echo(name, text) {
        return { name: name, send: [text], expect: [text] };
    }

    var printable = '';
    for (var c = 0x20; c < 0x7f; c++) {
        printable += String.fromCharCode(c);
    }
    var smile = '\ud83d\ude00';
    var first = { name: 'first', send: [], expect: ['welcome'] };
    var steps = {
        first: [],
        ascii: [
            echo('ascii, short', 'Hello'),
            echo('ascii, printable', printable),
            echo('ascii, line breaks', 'tab\tCR\rLF\nCRLF\r\n')
        ],
        empty: [echo('empty', '')],
        astral: [
            echo('astral, one code point', smile),
            echo('astral, 1 to 4 bytes', 'a\u00e9\u20ac' + smile + 'z'),
            echo('astral, range limits', '\u007f\u0080\u07ff\u0800\ud7ff\ue000\ufffc\ud800\udc00\udbff\udffd')
        ],
        big: [
            echo('big, ascii', repeat('x', 70000)),
            echo('big, multi-byte', repeat('a\u00e9\u20ac' + smile, 7000))
        ],
        burst: [
            { name: 'burst of echoes', send: numbered('message ', 500), expect: numbered('message ', 500) },
            { name: 'burst of the backend', send: ['!burst 500'], expect: numbered('burst ', 500) }
        ],
        'backend-close': [{ name: 'close event', send: ['!close 1000 bye'], expect: [], close: true }],
        drop: [{ name: 'close event', send: ['!drop'], expect: [], close: true }],
        subprotocol: [],
        'client-close': [],
        vanish: []
    };
    steps.all = [].concat(steps.ascii, steps.empty, steps.astral, steps.big, steps.burst);
    if (!steps[scenario]) {
        check(false, 'scenario ' + scenario, 'unknown');
        window.callPhantom('exit');
        return;
    }

    var todo = [first].concat(steps[scenario]);
    var step, timer, closing = false;
    function next() {
        clearTimeout(timer);
        step = todo.shift();
        if (!step && scenario === 'vanish') {
            exit();
            return;
        }
        closing = !step || step.close;
        step = step || { name: 'close event', expect: [] };
        timer = setTimeout(function () { fail(step.name, 'timeout'); }, 10000);
        if (step.send) {
            step.send.forEach(function (text) { socket.send(text); });
        } else {
            socket.close();
        }
    }

    if (/^http/.test(location.protocol)) {
        document.cookie = 'client=phantom';
    }
    var socket = scenario === 'subprotocol' ? new WebSocket(url, 'chat') : new WebSocket(url);
    timer = setTimeout(function () { fail('open event', 'timeout'); }, 10000);
    socket.onopen = function () {
        check(true, 'open event');
        next();
    };
    socket.onmessage = function (event) {
        if (event.data !== step.expect.shift()) {
            fail(step.name, 'unexpected message ' + brief(String(event.data)));
        } else if (step.expect.length === 0) {
            check(true, step.name);
            next();
        }
    };
    socket.onerror = function () {
        fail(step ? step.name : 'open event', 'error event');
    };
    socket.onclose = function (event) {
        if (!closing) {
            fail(step ? step.name : 'open event', 'close event');
            return;
        }
        check(true, step.name);
        console.log('wasClean ' + event.wasClean + ', code ' + event.code);
        exit();
    };
}

if (args.length < 3) {
    die('usage: phantom.js ws://HOST:PORT/PATH SCENARIO [PAGE_URL]');
} else {
    page.setContent('<title>client</title>', args[3] || 'http://127.0.0.1/');
    page.evaluate(run, args[1], args[2]);
}
