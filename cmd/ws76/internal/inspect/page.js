'use strict';
// Whatever came over a wire is put into the page as text, never as HTML.
const $ = id => document.getElementById(id);
const maxRows = 1000, shownBytes = () => asText ? 256 : 64;
const kinds = { text: 'text', binary: 'binary', ping: 'Ping', pong: 'Pong', close: 'close', skipped: 'skipped', other: 'unknown', end: 'end', continuation: 'fragment' };
const who = { client: 'client →', backend: '← backend', ws76: 'ws76' };

const connections = new Map(); // by id, as the server summed them up
const items = new Map();       // by id, of the list
const rows = new Map();        // by seq: {row, element}
let chosen = 0, source, paused = false, waiting = [], asText = false;

function element(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

function size(n) {
  if (n < 1024) return n + ' B';
  return n < 1 << 20 ? (n / 1024).toFixed(1) + ' KiB' : (n / (1 << 20)).toFixed(1) + ' MiB';
}

function say(text) {
  $('said').textContent = '';
  requestAnimationFrame(() => { $('said').textContent = text; });
}

// The stream of events.

function listen() {
  if (source) source.close();
  source = new EventSource('inspect/events' + (chosen ? '?connection=' + chosen : ''));
  source.onopen = () => status('live', 'live');
  source.onerror = () => status('broken', 'ws76 does not answer, trying again');
  source.addEventListener('connections', e => showConnections(JSON.parse(e.data)));
  source.addEventListener('handshake', e => showHandshake(JSON.parse(e.data)));
  source.addEventListener('rows', e => receive(JSON.parse(e.data)));
}

function status(className, text) {
  $('status').className = className;
  if ($('status').textContent !== text) $('status').textContent = text;
}

// The list.

function showConnections(news) {
  for (const c of news.changed) connections.set(c.connection, c);
  const alive = new Set(news.ids);
  for (const id of connections.keys()) {
    if (alive.has(id)) continue;
    connections.delete(id);
    items.get(id)?.remove();
    items.delete(id);
  }
  for (const c of news.changed.slice().sort((a, b) => a.connection - b.connection)) showConnection(c);
  $('none').hidden = connections.size > 0;
  $('memory').textContent = size(news.held) + ' of ' + size(news.memory) + ' kept' + (news.evicted ? ', ' + news.evicted.toLocaleString('en') + ' old rows dropped' : '');
  filterConnections();
  showAges();
}

function showConnection(c) {
  let item = items.get(c.connection);
  if (!item) {
    const button = element('button');
    button.type = 'button';
    button.onclick = () => choose(c.connection);
    item = element('li', '', button);
    item.dataset.id = c.connection;
    items.set(c.connection, item);
    let next = $('connections').firstChild;
    while (next && +next.dataset.id > c.connection) next = next.nextSibling;
    $('connections').insertBefore(item, next);
  }
  const button = item.firstChild;
  button.className = 'state-' + c.state;
  button.setAttribute('aria-current', c.connection === chosen);
  const why = c.state === 'open' ? '' : c.reason + (c.state === 'refused' ? (c.status ? ', ' + c.status : '') : ' by ' + c.by);
  const traffic = c.state === 'refused' ? '' : '↑ ' + c.up.messages + ' · ' + size(c.up.bytes) + '   ↓ ' + c.down.messages + ' · ' + size(c.down.bytes);
  const badge = element('span', 'badge ' + (c.dialect === '75' || c.dialect === '76' ? 'old' : 'new'), c.dialect);
  badge.setAttribute('aria-label', 'dialect ' + c.dialect);
  const parts = [badge, element('span', 'path', c.path), element('span', 'age'), element('span', 'more', c.client + (c.user_agent ? ' · ' + c.user_agent : ''))];
  parts[3].title = c.user_agent;
  if (traffic) {
    const t = element('span', 'more', traffic);
    t.setAttribute('aria-label', `from the client ${c.up.messages} messages, ${size(c.up.bytes)}; from the backend ${c.down.messages} messages, ${size(c.down.bytes)}`);
    parts.push(t);
  }
  if (why) parts.push(element('span', 'more why', why));
  button.replaceChildren(...parts);
  if (c.connection === chosen) showTitle(c);
}

function showAges() {
  for (const [id, item] of items) {
    const c = connections.get(id), age = item.querySelector('.age');
    const s = Math.max(0, Math.round(((c.ended ? new Date(c.ended) : Date.now()) - new Date(c.began)) / 1000));
    age.textContent = s < 60 ? s + ' s' : s < 3600 ? Math.floor(s / 60) + ' min' : Math.floor(s / 3600) + ' h';
  }
}
setInterval(showAges, 1000);

function filterConnections() {
  const find = $('find').value.toLowerCase(), dialect = $('dialect').value, state = $('state').value;
  for (const [id, item] of items) {
    const c = connections.get(id);
    item.hidden = !((!dialect || c.dialect === dialect) && (!state || c.state === state) &&
      (c.path + ' ' + c.client + ' ' + c.user_agent + ' ' + (c.reason || '')).toLowerCase().includes(find));
  }
}

function choose(id) {
  items.get(chosen)?.firstChild.setAttribute('aria-current', 'false');
  chosen = id;
  items.get(id)?.firstChild.setAttribute('aria-current', 'true');
  rows.clear();
  waiting = [];
  $('rows').replaceChildren();
  $('card').replaceChildren();
  $('main').hidden = false;
  document.body.classList.add('chosen');
  showTitle(connections.get(id));
  setExport();
  if (paused) pause();
  listen();
  $('main').focus({ preventScroll: true });
}

function showTitle(c) {
  if (!c) return;
  $('main').className = c.state === 'refused' ? 'refused' : '';
  $('title').textContent = c.path;
  $('about').textContent = 'dialect ' + c.dialect + (c.backend_dialect === '13' ? '' : ' → ' + c.backend_dialect) + ' · ' + c.client + ' · ' + (c.state === 'open' ? 'open' : c.reason + (c.by ? ' by ' + c.by : '')) +
    (c.rows_lost ? ' · ' + c.rows_lost.toLocaleString('en') + ' old rows dropped' : '');
}

// The opening handshake.

function fields(head) {
  const byName = new Map();
  head.split('\r\n').slice(1).forEach(line => {
    const at = line.indexOf(':');
    if (at > 0) byName.set(line.slice(0, at).toLowerCase(), line.slice(at + 1).trim());
  });
  return byName;
}

// lines shows a head; its fields are compared with those of the head that it was made of, or that was made of it.
function lines(head, against, isProduct) {
  const others = fields(against), box = element('div', 'lines');
  const end = head.indexOf('\r\n\r\n');
  (end < 0 ? head : head.slice(0, end)).split('\r\n').forEach((line, n) => {
    const at = line.indexOf(':'), e = element('div', '', line), other = others.get(line.slice(0, at).toLowerCase());
    e.dataset.mark = '';
    if (n > 0 && at > 0 && against) {
      if (other === undefined) [e.className, e.dataset.mark] = isProduct ? ['added', '+'] : ['removed', '−'];
      else if (other !== line.slice(at + 1).trim()) [e.className, e.dataset.mark] = ['changed', '~'];
      if (e.className) e.title = e.className + ' by ws76';
    }
    box.append(e);
  });
  const body = end < 0 ? '' : head.slice(end + 4);
  if (body) box.append(element('div', 'body', body));
  return box;
}

function section(title, ...content) {
  return element('section', '', element('h3', '', title), ...content);
}

const spaced = hex => hex.replace(/..(?=.)/g, '$& ');

function challenge(c) {
  const share = (name, k) => `${name}  digits ${String(k.digits).padStart(10)} ÷ ${String(k.spaces).padStart(2)} spaces = ${String(k.part).padStart(10)} = ${spaced(k.part.toString(16).padStart(8, '0'))}`;
  const wait = c.key3_seconds ? `it came ${(c.key3_seconds * 1000).toFixed(1)} ms after the head of the 101` : 'it came with the head';
  const box = element('div', 'lines');
  for (const line of [share('Key1', c.key1), share('Key2', c.key2), `key3  ${spaced(c.key3)}, the 8 bytes after the head, which no header announces; ${wait}`, `16 bytes  ${spaced(c.input)}`, `MD5       ${spaced(c.md5)}, as ws76 answered`])
    box.append(element('div', '', line));
  return box;
}

function showHandshake(h) {
  const open = connections.get(chosen)?.rows_lost === 0 && !$('card').firstChild && (h.damage || h.refusal);
  const parts = [];
  if (h.damage) {
    const fault = element('div', 'fault wide', element('b', '', 'Damaged on the way: ' + h.damage.fault + (h.damage.proxy ? ' by ' + h.damage.proxy : '')), element('p', '', h.damage.meaning), element('p', '', 'Change:'));
    fault.append(element('pre', '', h.damage.change));
    parts.push(fault);
  }
  if (h.refusal) parts.push(element('div', 'fault wide', element('b', '', 'Refused: ' + h.refusal.reason + (h.refusal.status ? ', ' + h.refusal.status : '')), element('p', '', h.refusal.detail?.includes(h.refusal.meaning) ? h.refusal.detail : h.refusal.meaning + (h.refusal.detail ? ': ' + h.refusal.detail : ''))));
  const pair = [['client → ws76, as received', h.request, h.forwarded, false], ['ws76 → backend, as sent', h.forwarded, h.request, true], ['ws76 → client, as sent', h.response, h.answer, true], ['backend → ws76, as received', h.answer, h.response, false]];
  for (const [title, head, against, isProduct] of pair) parts.push(section(title, head ? lines(head, against, isProduct) : element('p', 'age', 'nothing')));
  if (h.challenge) {
    const s = section('Why the client believes it', challenge(h.challenge));
    s.classList.add('wide');
    parts.push(s);
  }
  $('card').replaceChildren(...parts);
  $('handshake-brief').textContent = 'took ' + (h.seconds * 1000).toFixed(1) + ' ms' + (h.damage ? ' · damaged: ' + h.damage.fault : '') + (h.refusal ? ' · refused: ' + h.refusal.reason : '');
  if (open) $('handshake').open = true;
}

// The time line.

function receive(news) {
  if (paused) {
    waiting.push(news);
    if (waiting.length > 40) {
      const oldest = waiting.shift();
      waiting[0].left_out += oldest.left_out + oldest.rows.length;
    }
    return;
  }
  const box = $('rows'), following = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  if (news.left_out) box.append(element('div', 'left-out', news.left_out.toLocaleString('en') + ' rows are left out here: too many to show. The export has all that are kept.'));
  for (const row of news.rows) showRow(row);
  for (const [seq, r] of rows) {
    if (rows.size <= maxRows) break;
    r.element.remove();
    rows.delete(seq);
  }
  while (box.firstChild && box.firstChild.className === 'left-out' && box.children.length > rows.size + 50) box.firstChild.remove();
  if (following) box.scrollTop = box.scrollHeight;
}

function showRow(row) {
  const old = rows.get(row.seq), e = drawRow(row, old?.open);
  e.hidden = !matches(row);
  rows.set(row.seq, { row, element: e, open: old?.open });
  if (!old) {
    e.classList.add('fresh');
    e.tabIndex = rows.size === 1 ? 0 : -1;
    $('rows').append(e);
    return;
  }
  e.tabIndex = old.element.tabIndex;
  const focused = document.activeElement === old.element;
  old.element.replaceWith(e);
  if (focused) e.focus({ preventScroll: true });
}

function drawRow(row, open) {
  const e = element('div', 'row ' + row.from + ' ' + row.kind);
  e.setAttribute('role', 'row');
  e.dataset.seq = row.seq;
  const cell = (className, ...children) => {
    const c = element('div', className, ...children);
    c.setAttribute('role', 'cell');
    e.append(c);
    return c;
  };
  const when = cell('when', element('b', '', who[row.from] + ' ' + kinds[row.kind]), row.time.slice(11, 23));
  if (row.kind === 'end') {
    cell('what', row.reason + ' (' + row.from + ')');
  } else {
    when.append(element('div', 'copies', button('hex', 'Copy as hex', () => copy(row, false)), button('text', 'Copy as text', () => copy(row, true))));
    cell('wire', ...drawWire(row.client, open)).dataset.side = 'client';
    cell('wire', ...drawWire(row.backend, open)).dataset.side = 'backend';
  }
  if (row.code || row.kind === 'close' && row.reason) cell('said', 'code ' + row.code + (row.reason ? ', ' + JSON.stringify(row.reason) : ''));
  if (row.notes) cell('notes', row.notes.join('; '));
  e.setAttribute('aria-label', describe(row));
  return e;
}

function button(text, label, onclick) {
  const b = element('button', '', text);
  b.type = 'button';
  b.tabIndex = -1;
  b.setAttribute('aria-label', label);
  b.onclick = onclick;
  return b;
}

function describe(row) {
  const w = (row.from === 'backend' ? row.backend || row.client : row.client || row.backend);
  const from = { client: 'from the client', backend: 'from the backend', ws76: 'by ws76' }[row.from];
  return `${kinds[row.kind]} ${from}` + (w ? `, ${w.payload} bytes: ${textOf(w).slice(0, 200)}` : ': ' + (row.reason || '')) + (row.code ? `, code ${row.code}` : '') + (row.notes ? '. ' + row.notes.join('. ') : '');
}

// pieces are the parts of a wire with their bytes, masked and plain.
function pieces(w) {
  let at = 0, key = null, masked = 0;
  return (w.parts || []).map(p => {
    const n = +p.slice(1), hex = w.bytes.slice(2 * at, 2 * (at + n));
    at += n;
    const bytes = Uint8Array.from(hex.match(/../g) || [], b => parseInt(b, 16));
    if (p[0] === 'h') key = null;
    if (p[0] === 'k') [key, masked] = [bytes, 0];
    const plain = p[0] === 'p' && key ? bytes.map(b => b ^ key[masked++ & 3]) : bytes;
    return { what: p[0], bytes, plain };
  });
}

function payloadOf(w) {
  return new Uint8Array(pieces(w).filter(p => p.what === 'p').flatMap(p => [...p.plain]));
}
const textOf = w => new TextDecoder().decode(payloadOf(w));
const hexOf = bytes => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join(' ');

const names = { h: 'header', k: 'masking key', p: 'payload', t: 'end of the frame' };

function drawWire(w, open) {
  if (!w) return [element('span', 'at', '—')];
  const at = element('span', 'at', '@' + w.offset.toString(16).padStart(4, '0') + ' ' + size(w.size));
  at.title = 'offset ' + w.offset + ', ' + w.size + ' bytes on the wire';
  const out = [at];
  let left = shownBytes();
  for (const p of pieces(w)) {
    if (left <= 0) break;
    const bytes = (asText && p.what === 'p' ? p.plain : p.bytes).slice(0, left);
    left -= bytes.length;
    const s = element('span', p.what, asText && p.what === 'p' ? new TextDecoder().decode(bytes) : hexOf(bytes));
    s.title = names[p.what];
    out.push(s, ' ');
  }
  const total = w.size - Math.min(w.size, shownBytes());
  if (total > 0 && !open) out.push(element('span', 'at', '… ' + size(total) + ' more'));
  if (open) out.push(element('span', 'dump', dump(w)));
  return out;
}

function dump(w) {
  const raw = pieces(w).flatMap(p => [...p.bytes]), plain = pieces(w).flatMap(p => [...p.plain]);
  let text = '';
  for (let i = 0; i < raw.length; i += 16) {
    const shown = plain.slice(i, i + 16).map(b => b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '·').join('');
    text += (w.offset + i).toString(16).padStart(8, '0') + '  ' + hexOf(raw.slice(i, i + 16)).padEnd(48) + ' ' + shown + '\n';
  }
  return text + (raw.length < w.size ? '… ' + size(w.size - raw.length) + ' more: see the export\n' : '');
}

async function copy(row, wantText) {
  const w = row.from === 'backend' ? row.backend || row.client : row.client || row.backend;
  const text = !w ? row.reason || '' : wantText ? textOf(w) : hexOf(pieces(w).flatMap(p => [...p.bytes]));
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element('textarea', 'unseen');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  say('Copied ' + (wantText ? 'as text' : 'as hex'));
}

// Filters.

function matches(row) {
  const from = $('from').value, kind = $('kind').value, text = $('filter').value.toLowerCase();
  if (from && row.from !== from) return false;
  const isKind = { message: ['text', 'binary', 'continuation'].includes(row.kind), control: ['ping', 'pong'].includes(row.kind), close: ['close', 'end'].includes(row.kind), noted: !!row.notes && row.kind !== 'end' };
  if (kind && !isKind[kind]) return false;
  if (!text) return true;
  const hex = text.replace(/ /g, ''), isHex = /^([0-9a-f]{2})+$/.test(hex);
  const wires = [row.client, row.backend].filter(w => w);
  return wires.some(w => textOf(w).toLowerCase().includes(text) || isHex && w.bytes.includes(hex)) ||
    [row.kind, row.reason, row.code, ...(row.notes || [])].join(' ').toLowerCase().includes(text);
}

function filterRows() {
  for (const r of rows.values()) r.element.hidden = !matches(r.row);
  say([...rows.values()].filter(r => !r.element.hidden).length + ' rows');
}

function pause() {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', paused);
  $('pause').textContent = paused ? 'Resume' : 'Pause';
  if (paused) return;
  const news = waiting;
  waiting = [];
  news.forEach(receive);
}

function show(text) {
  asText = text;
  $('as-hex').setAttribute('aria-pressed', !text);
  $('as-text').setAttribute('aria-pressed', text);
  for (const r of rows.values()) redraw(r);
}

function redraw(r) {
  const e = drawRow(r.row, r.open);
  [e.hidden, e.tabIndex] = [r.element.hidden, r.element.tabIndex];
  r.element.replaceWith(e);
  r.element = e;
}

function setExport() {
  const secrets = $('secrets').checked ? 'secrets=1' : '';
  $('export').href = 'inspect/export?connection=' + chosen + (secrets ? '&' + secrets : '');
  $('export-all').href = 'inspect/export' + (secrets ? '?' + secrets : '');
}

// Keys.

function move(list, current, by) {
  const visible = [...list.children].filter(e => !e.hidden && e.className !== 'left-out');
  const next = visible[Math.max(0, Math.min(visible.length - 1, visible.indexOf(current) + by))];
  return next;
}

$('rows').addEventListener('keydown', e => {
  const at = e.target.closest('.row'), r = at && rows.get(+at.dataset.seq);
  if (!r || e.ctrlKey || e.metaKey || e.altKey) return;
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 }[e.key];
  if (by) {
    const next = move($('rows'), at, by);
    at.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  } else if (e.key === 'Enter' && e.target === at) {
    open(r);
  } else if (e.key === 'c') {
    copy(r.row, false);
  } else if (e.key === 't') {
    copy(r.row, true);
  } else {
    return;
  }
  e.preventDefault();
});

function open(r) {
  r.open = !r.open;
  redraw(r);
  r.element.focus({ preventScroll: true });
}

$('rows').addEventListener('click', e => {
  const at = e.target.closest('.row'), r = at && rows.get(+at.dataset.seq);
  if (r && r.row.kind !== 'end' && !e.target.closest('button') && !String(getSelection())) open(r);
});

$('connections').addEventListener('keydown', e => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!by) return;
  move($('connections'), e.target.closest('li'), by)?.firstChild.focus();
  e.preventDefault();
});

document.addEventListener('keydown', e => {
  if (e.target.matches('input, select') || e.ctrlKey || e.metaKey || e.altKey) {
    if (e.key === 'Escape' && e.target.value) {
      e.target.value = '';
      e.target.dispatchEvent(new Event('input'));
    }
    return;
  }
  if (e.key === '/') (chosen ? $('filter') : $('find')).focus();
  else if (e.key === 'p' && chosen) pause();
  else return;
  e.preventDefault();
});

for (const id of ['find', 'dialect', 'state']) $(id).addEventListener('input', filterConnections);
for (const id of ['filter', 'from', 'kind']) $(id).addEventListener('input', filterRows);
$('pause').onclick = pause;
$('as-hex').onclick = () => show(false);
$('as-text').onclick = () => show(true);
$('secrets').onchange = setExport;
$('back').onclick = () => document.body.classList.remove('chosen');
listen();
