// A page in PhantomJS 1.9, whose WebSocket speaks -76, that has a device repeat texts.
//
// usage: phantomjs --ssl-certificates-path=/nonexistent phantom.js ws://HOST:PORT/PATH
var page = require('webpage').create();

function end(ok, text) {
    console.log(text);
    setTimeout(function () { phantom.exit(ok ? 0 : 1); }, 0);
}

setTimeout(function () { end(false, 'it takes too long'); }, 25000);
phantom.onError = page.onError = function (message) { end(false, message); };
page.onCallback = function (result) { end(result.ok, result.text); };
page.setContent('<p></p>', 'http://page.example/');
page.evaluate(function (url) {
    var texts = ['hello', 'h\u00e4llo \u20ac\ud83d\ude00', new Array(5001).join('\u20ac')], next = 0;
    var socket = new WebSocket(url);
    function result(ok, text) { window.callPhantom({ok: ok, text: text}); }
    socket.onopen = function () { socket.send(texts[0]); };
    socket.onerror = function () { result(false, 'error'); };
    socket.onclose = function () { result(next === texts.length, 'closed after ' + next + ' texts'); };
    socket.onmessage = function (event) {
        if (event.data !== texts[next]) {
            result(false, 'text ' + next + ' came back as ' + event.data.slice(0, 80));
            return;
        }
        next++;
        if (next === texts.length) {
            socket.close();
        } else {
            socket.send(texts[next]);
        }
    };
}, require('system').args[1]);
