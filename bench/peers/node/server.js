// The peer in Node: http, an agent that keeps connections, and SQLite.
//
//   node server.js PORT FILE URL
//
// One process, one loop. better-sqlite3 (from npm) calls SQLite on the loop, which is what its users choose it for; where it is not
// there, Debian's node-sqlite3 does it on libuv's pool.
'use strict';
const http = require('http');

const [port, file, external] = process.argv.slice(2);
const GET = 'SELECT id, name, price FROM items WHERE id = ?';
const INSERT = 'INSERT INTO items (name, price) VALUES (?, ?)';

function openBetter() {
  const db = require('better-sqlite3')(file, { timeout: 30000 });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  const get = db.prepare(GET);
  const insert = db.prepare(INSERT);
  return {
    get: async (id) => get.get(id),
    insert: async (name, price) => Number(insert.run(name, price).lastInsertRowid),
  };
}

function openDebian() {
  const sqlite3 = require('sqlite3');
  const db = new sqlite3.Database(file);
  db.serialize(() => {
    db.run('PRAGMA busy_timeout = 30000');
    db.run('PRAGMA journal_mode = WAL');
    db.run('PRAGMA synchronous = FULL');
  });
  const get = db.prepare(GET);
  const insert = db.prepare(INSERT);
  return {
    get: (id) => new Promise((done, fail) => get.get(id, (error, row) => (error ? fail(error) : done(row)))),
    insert: (name, price) =>
      new Promise((done, fail) =>
        insert.run(name, price, function (error) {
          return error ? fail(error) : done(this.lastID);
        })
      ),
  };
}

function openStore() {
  try {
    return openBetter();
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return openDebian();
  }
}

const store = openStore();
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 16384 });

function readAll(stream) {
  return new Promise((done, fail) => {
    const pieces = [];
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => done(Buffer.concat(pieces).toString()));
    stream.on('error', fail);
  });
}

function fetchQuote() {
  return new Promise((done, fail) => {
    http.get(external, { agent }, (answer) => readAll(answer).then((text) => done(JSON.parse(text)), fail)).on('error', fail);
  });
}

function reply(res, status, value) {
  const body = JSON.stringify(value);
  res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

async function createItem(req, res) {
  let item;
  try {
    item = JSON.parse(await readAll(req));
  } catch (error) {
    item = {};
  }
  if (typeof item.name !== 'string' || typeof item.price !== 'number') {
    return reply(res, 400, { error: 'the body must be {"name": text, "price": number}' });
  }
  return reply(res, 201, { id: await store.insert(item.name, item.price) });
}

async function getItem(res, text) {
  if (!/^[1-9][0-9]*$/.test(text)) return reply(res, 400, { error: "an item's id is a whole number from 1" });
  const item = await store.get(Number(text));
  return item ? reply(res, 200, item) : reply(res, 404, { error: 'there is no such item' });
}

async function answer(req, res) {
  if (req.url === '/hello') {
    res.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': 6 });
    return res.end('hello\n');
  }
  if (req.url === '/fetch') return reply(res, 200, { external_api: await fetchQuote() });
  if (req.url === '/items' && req.method === 'POST') return createItem(req, res);
  if (req.url.startsWith('/items/')) return getItem(res, req.url.slice(7));
  return reply(res, 404, { error: 'not found' });
}

http
  .createServer((req, res) => answer(req, res).catch((error) => reply(res, 502, { error: String(error) })))
  .listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
