// ECMAScript 3 only: this runs in browsers of 2009.
(function () {
  var Socket = window.WebSocket || window.MozWebSocket;
  var path = location.pathname.replace(/\/$/, '');
  var server = location.protocol.replace('http', 'ws') + '//' + location.host;
  var dialects = { '75': 'draft 75 of 2009', '76': 'draft 76 of 2010', '7': 'version 7 of 2011', '8': 'version 8 of 2011', '13': 'version 13, the standard of today', http: 'a request that is no WebSocket' };
  var found = {}, bad = false, id = '', asked = 0, key3, arrived, trouble, i;

  for (i = 0; i < 12; i++) id += '0123456789abcdefghijklmnopqrstuvwxyz'.charAt(Math.floor(36 * Math.random()));

  function now() { return new Date().getTime(); }

  function byId(name) { return document.getElementById(name); }

  function write(element, text) {
    while (element.firstChild) element.removeChild(element.firstChild);
    element.appendChild(document.createTextNode(text));
  }

  // row adds a line and returns the function that fills it in.
  function row(label) {
    var p = document.createElement('p');
    write(p, label + ': ...');
    byId('rows').appendChild(p);
    return function (text, fails) {
      write(p, label + ': ' + text);
      if (fails) {
        p.className = 'bad';
        bad = true;
      }
    };
  }

  // open opens a WebSocket and says how that ends.
  function open(url, protocol, done) {
    var socket, timer, over = false;
    function end(how) {
      if (over) return;
      over = true;
      clearTimeout(timer);
      done(how, socket);
    }
    try {
      socket = protocol ? new Socket(url, protocol) : new Socket(url);
    } catch (e) {
      end('throws');
      return;
    }
    timer = setTimeout(function () { end('timeout'); }, 12000);
    socket.onopen = function () { end('opened'); };
    socket.onerror = socket.onclose = function () { end('closed'); };
  }

  function close(socket) {
    try { socket.close(); } catch (e) { /* it was not open */ }
  }

  // exchange sends texts, and expects each of them to come back.
  function exchange(socket, texts, done) {
    var n = 0, i, over = false, timer = setTimeout(function () { end('missing'); }, 15000);
    function end(how) {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.onmessage = socket.onclose = null;
      done(how);
    }
    socket.onclose = function () { end('missing'); };
    socket.onmessage = function (event) {
      if (event.data !== texts[n]) return end('wrong');
      n = n + 1;
      if (n === texts.length) end('right');
    };
    try {
      for (i = 0; i < texts.length; i++) socket.send(texts[i]);
    } catch (e) {
      end('missing');
    }
  }

  function outcome(how) { return how === 'right' ? 'OK' : how === 'wrong' ? 'COMES BACK CHANGED' : 'DOES NOT COME BACK'; }

  // converse goes through the messages on one connection.
  function converse(socket, done) {
    var many = [], large = 'x', todo, i;
    for (i = 0; i < 100; i++) many.push('message ' + i);
    for (i = 0; i < 16; i++) large += large;
    todo = [
      ['byte1', 'A character of 1 byte', ['a']],
      ['byte2', 'A character of 2 bytes', ['\u00e9']],
      ['byte3', 'A character of 3 bytes', ['\u20ac']],
      ['byte4', 'A character of 4 bytes', ['\ud83d\ude00']],
      ['large', '64 KiB', [large]],
      ['hundred', '100 messages', many]
    ];
    function next() {
      var step = todo.shift(), say;
      if (!step) {
        roundTrip(socket, 5, function () { finish(socket, done); });
        return;
      }
      say = row(step[1]);
      exchange(socket, step[2], function (how) {
        found[step[0]] = how;
        say(outcome(how), how !== 'right');
        if (how === 'missing') done();
        else next();
      });
    }
    next();
  }

  // roundTrip finds the shortest time of some echoes.
  function roundTrip(socket, times, done) {
    var began = now();
    exchange(socket, ['time ' + times], function (how) {
      var took = now() - began;
      if (how === 'right') {
        if (found.roundtrip === undefined || took < found.roundtrip) found.roundtrip = took;
        if (times > 1) return roundTrip(socket, times - 1, done);
        row('Round trip')(found.roundtrip ? found.roundtrip + ' ms' : 'less than 1 ms');
      }
      done();
    });
  }

  function finish(socket, done) {
    var say = row('Close'), over = false, timer = setTimeout(function () { end('no event'); }, 10000);
    function end(how) {
      if (over) return;
      over = true;
      clearTimeout(timer);
      found.close = how;
      say(how === 'clean' ? 'clean (wasClean)' : how === 'not clean' ? 'not clean (wasClean is false)' : how === 'no wasClean' ? 'seen, without wasClean' : 'NO close event', how === 'no event');
      done();
    }
    socket.onclose = function (event) {
      end(event && event.wasClean === true ? 'clean' : event && event.wasClean === false ? 'not clean' : 'no wasClean');
    };
    close(socket);
  }

  // signature tries a second argument of the constructor.
  function signature(name, label, protocol, done) {
    var say = row(label);
    function end(how, socket) {
      found[name] = how === 'throws' ? 'throws' : how === 'right' ? 'works' : 'fails';
      say(how === 'throws' ? 'THROWS' : how === 'right' ? 'OK' : 'FAILS', how !== 'right');
      if (socket) close(socket);
      done();
    }
    open(server + path + '/echo', protocol, function (how, socket) {
      if (how !== 'opened') end(how, socket);
      else exchange(socket, [name], function (how) { end(how, socket); }); // a connection without a message looks damaged
    });
  }

  // report tells the server what was found, and shows the code and what the server saw.
  function report() {
    var request = new XMLHttpRequest(), query = 'id=' + id, name;
    for (name in found) if (found.hasOwnProperty(name)) query += '&' + name + '=' + encodeURIComponent(found[name]);
    request.open('GET', path + '/result?' + query, true);
    request.onreadystatechange = function () {
      if (request.readyState === 4) answer(request.status, request.responseText);
    };
    request.send(null);
  }

  function answer(status, text) {
    var lines = text.split('\n'), seen = {}, at, i;
    for (i = 0; i < lines.length; i++) {
      at = lines[i].indexOf(' ');
      if (at > 0) seen[lines[i].substring(0, at)] = lines[i].substring(at + 1);
    }
    if (status === 200 && Socket && !seen.dialect && asked < 4) { // the server notes a refusal when it is over
      asked = asked + 1;
      setTimeout(report, 1000);
      return;
    }
    if (status !== 200 || !seen.code) {
      write(byId('verdict'), 'No code: the server answered with status ' + status);
    } else {
      arrived(seen.dialect ? dialects[seen.dialect] : 'nothing reached the server', !seen.dialect || seen.dialect === 'http');
      if (seen.key3) {
        key3 = key3 || row('Key 3 of the handshake');
        key3(seen.key3 === 'never' ? 'NEVER CAME' : seen.key3 === '0' ? 'came with the head' : 'came ' + seen.key3 + ' ms after the answer', seen.key3 === 'never');
      }
      if (seen.refused) {
        trouble = trouble || row('The server refused it');
        trouble(seen.refused, true);
      } else if (seen.fault) {
        trouble = trouble || row('On the way');
        trouble('SOMETHING BETWEEN this device and the server DAMAGES WebSockets, or may do so', true);
      }
      write(byId('verdict'), bad ? 'Something fails. The code:' : 'All works. The code:');
      write(byId('code'), seen.code.replace(/(.{4})(?=.)/g, '$1 '));
      write(byId('hint'), 'Whoever runs the server can tell from the code what to change. It says nothing about you.');
    }
    byId('try').disabled = false;
  }

  function own() {
    var at = byId('path').value, say;
    if (at.charAt(0) !== '/') at = '/' + at;
    byId('try').disabled = true;
    say = row('The app at ' + at);
    open(server + at, null, function (how, socket) {
      found.path = how === 'opened' ? 'opened' : 'failed';
      say(how === 'opened' ? 'opens' : 'DOES NOT OPEN', how !== 'opened');
      if (socket) setTimeout(function () { close(socket); }, 1500); // at once, it would look as if a proxy had damaged it
      report();
    });
    return false;
  }

  function start() {
    var began = now(), say;
    found.secure = location.protocol === 'https:' ? 'https' : 'http';
    found.api = window.WebSocket ? 'WebSocket' : window.MozWebSocket ? 'MozWebSocket' : 'none';
    row('This browser')(navigator.userAgent);
    row('WebSocket')(Socket ? 'OK' + (window.WebSocket ? '' : ', named MozWebSocket') : 'THERE IS NONE', !Socket);
    say = row('Opening');
    arrived = row('The server got');
    if (!Socket) {
      say('cannot be tried');
      report();
      return;
    }
    byId('own').onsubmit = own;
    open(server + path + '/echo?id=' + id, null, function (how, socket) {
      found.open = how;
      if (how !== 'opened') {
        say(how === 'throws' ? 'THROWS' : how === 'timeout' ? 'NO ANSWER' : 'FAILS', true);
        if (socket) close(socket);
        setTimeout(report, 1500); // the server looks at the end of the connection too
        return;
      }
      found.opentime = now() - began;
      say('OK, in ' + found.opentime + ' ms');
      converse(socket, function () {
        signature('string', "new WebSocket(url, 'name')", 'ws76', function () {
          signature('array', "new WebSocket(url, ['name'])", ['ws76'], function () { setTimeout(report, 500); });
        });
      });
    });
  }

  start();
}());
