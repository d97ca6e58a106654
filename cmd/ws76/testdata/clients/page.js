// What PhantomJS does with what pages do, for clients.md.
//
// usage: phantomjs page.js GATEWAY FAULTY FAULT...
//
// Prints what constructors and methods return or throw, at the ws URL of a gateway whose app
// repeats messages, and then what the console says of each fault of a server.
'use strict';
var system = require('system');
var page = require('webpage').create();

page.onConsoleMessage = function (line) { console.log(line); };
page.onError = function (line) { console.log('error: ' + line); };

page.open('about:blank', function () {
  var faults = system.args.slice(3);
  var open = 2; // sockets whose end the first fault waits for
  page.onCallback = function () {
    if (--open <= 0) { next(); }
  };
  page.evaluate(function (url) {
    function attempt(name, run) {
      var result;
      try { result = String(run()); } catch (e) { result = 'throws ' + e; }
      console.log(name + ': ' + result);
    }
    attempt('typeof', function () { return typeof WebSocket; });
    attempt('empty', function () { return new WebSocket(url, ''); });
    attempt('list', function () { return new WebSocket(url, []); });
    attempt('scheme', function () { return new WebSocket('http://127.0.0.1/'); });
    attempt('relative', function () { return new WebSocket('/socket'); });
    attempt('fragment', function () { return new WebSocket(url + '#f'); });
    attempt('undefined', function () {
      var socket = new WebSocket(url, undefined);
      socket.onclose = function () { window.callPhantom(); };
      return socket.readyState;
    });
    attempt('bind', function () { return Function.prototype.bind; });
    attempt('arrow', function () { return eval('(()=>1)()'); });
    attempt('newer', function () { return [typeof Promise, typeof fetch, typeof requestAnimationFrame]; });
    var socket = new WebSocket(url);
    attempt('early', function () { return socket.send('x'); });
    attempt('missing', function () { return [socket.protocol, socket.binaryType, socket.extensions, socket.url]; });
    attempt('URL', function () { return socket.URL === url; });
    socket.onopen = function () {
      attempt('binary', function () { return socket.send(new ArrayBuffer(3)); });
      attempt('two', function () { return socket.send('hi', undefined); });
      attempt('surrogate', function () { return socket.send('x\ud800y'); });
    };
    socket.onmessage = function (event) {
      console.log('message: ' + escape(event.data));
      if (event.data.charAt(0) === 'x') {
        attempt('close', function () { return socket.close(1000, 'bye'); });
        attempt('late', function () { return socket.send('x'); });
      }
    };
    socket.onclose = function (event) {
      console.log('closed: ' + [event.code, event.reason, event.wasClean]);
      window.callPhantom();
    };
  }, system.args[1]);
  function next() {
    if (faults.length === 0) { phantom.exit(0); return; }
    page.evaluate(function (url, fault) {
      console.log('fault: ' + fault);
      var socket = fault === 'protocol' ? new WebSocket(url + fault, 'chat') : new WebSocket(url + fault);
      socket.onclose = function () { window.callPhantom(); };
      socket.onopen = function () { console.log('open: ' + fault); };
      socket.onmessage = function (event) { console.log('message: ' + escape(event.data)); };
      socket.onerror = function () { console.log('onerror: ' + fault); };
    }, system.args[2], faults.shift());
  }
});
