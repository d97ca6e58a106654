// The RFC 6455 backend that client.pl and phantom.js expect behind the gateway.
//
// usage: node backend.js PORT      (0 picks a free port)
//
// Says "welcome", then echoes, except for these text messages:
//   !close CODE REASON   close with that code and reason
//   !drop                end the TCP connection without a Close frame
//   !burst N             send "burst 0" to "burst N-1"
'use strict';
const { WebSocketServer } = require('ws');

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2] || 0),
  handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
});

server.on('listening', () => console.log(`listening ${server.address().port}`));

server.on('connection', (socket, request) => {
  const { origin = '', cookie = '' } = request.headers;
  console.log(`open path=${request.url} origin=${origin} cookie=${cookie} protocol=${socket.protocol}`);

  socket.on('message', (data, isBinary) => {
    console.log(`message ${data.length} bytes`);
    const [command, ...rest] = isBinary ? [] : data.toString().split(' ');
    switch (command) {
      case '!close':
        socket.close(Number(rest[0]), rest.slice(1).join(' '));
        break;
      case '!drop':
        socket.terminate();
        break;
      case '!burst':
        for (let i = 0; i < Number(rest[0]); i++) socket.send(`burst ${i}`);
        break;
      default:
        socket.send(data, { binary: isBinary });
    }
  });
  socket.on('close', (code, reason) => console.log(`close ${code} ${reason}`));
  socket.on('error', (error) => console.log(`error ${error.message}`));
  socket.send('welcome');
});
