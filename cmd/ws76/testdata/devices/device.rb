# A server of em-websocket, which speaks the dialect of its client: it repeats what it
# is told. "close" has it close.
require 'em-websocket'

$stdout.sync = true
EM.run do
  # Port 0 is any.
  signature = EM.start_server('127.0.0.1', 0, EM::WebSocket::Connection, {}) do |ws|
    ws.onmessage { |message, _type| message == 'close' ? ws.close : ws.send(message) }
    ws.onerror { |error| warn error.message }
  end
  puts Socket.unpack_sockaddr_in(EM.get_sockname(signature)).first
end
