// SPDX-License-Identifier: MIT

// Caches of JavaScript, measured once: npm's lru-cache, and a Map as small discovery caches are written, which looks
// for its oldest entry at each insertion. The argument is the number of entries; a line of JSON is printed for each
// figure. ../node.cpp runs this, and measures the same in C++ beside it.

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

const now = () => Number(process.hrtime.bigint());

// 46 characters. By way of a buffer, which makes one flat string instead of a rope that the first use would flatten.
function makeKey(number) {
  const digest = createHash('md5').update(String(number)).digest('hex');
  return Buffer.from('discovery:ad:!' + digest, 'latin1').toString('latin1');
}

function makeKeys(begin, count) {
  return Array.from({ length: count }, (_, i) => makeKey(begin + i));
}

function makeEntry(i) {
  const at = Date.now();
  return { advertisement: { nonce: i }, addedAt: at, lastAccess: at, accessCount: 0, source: 'gossip' };
}

// A Map from keys to entries with their last access. At capacity a new key makes the one go that was used longest ago.
class ScannedMap {
  constructor(capacity) {
    this.capacity = capacity;
    this.entries = new Map();
  }
  get(key) {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    entry.lastAccess = Date.now();
    entry.accessCount++;
    return entry;
  }
  set(key, entry) {
    if (this.entries.size >= this.capacity && !this.entries.has(key)) this.evictOldest();
    this.entries.set(key, entry);
  }
  evictOldest() {
    let oldestKey = null;
    let oldest = Infinity;
    for (const [key, entry] of this.entries) {
      if (entry.lastAccess < oldest) {
        oldest = entry.lastAccess;
        oldestKey = key;
      }
    }
    if (oldestKey !== null) this.entries.delete(oldestKey);
  }
}

// Every result is used, so that no call can be left out.
let found = 0;

function nanoseconds(keys, call) {
  const began = now();
  for (let i = 0; i < keys.length; i++) call(keys[i], i);
  return (now() - began) / keys.length;
}

function report(subject, operation, n, ns) {
  console.log(JSON.stringify({ subject, operation, n, ns }));
}

const n = Number(process.argv[2]);
const calls = 200_000;
const warmUp = 20_000; // calls for the compiler's sake, at most

// Keys for each cache of its own, and those that are asked for are other strings than those in the cache: as if they had
// come in messages, not hashed yet. So it is on the other side.
function makeStreams() {
  const asked = Array.from({ length: calls + warmUp }, () => makeKey(Math.floor(Math.random() * n)));
  return { held: makeKeys(0, n), asked, fresh: makeKeys(n, calls), absent: makeKeys(n + calls, calls) };
}

function measure(subject, cache, churnCalls) {
  const streams = makeStreams();
  streams.held.forEach((key, i) => cache.set(key, makeEntry(i)));
  const get = (key) => {
    if (cache.get(key) !== undefined) found++;
  };
  const put = (key, i) => cache.set(key, makeEntry(i));
  nanoseconds(streams.asked.slice(0, warmUp), get);
  report(subject, 'hit', n, nanoseconds(streams.asked.slice(warmUp), get));
  report(subject, 'miss', n, nanoseconds(streams.absent, get));
  const warmPuts = Math.min(churnCalls >> 2, warmUp);
  nanoseconds(streams.fresh.slice(0, warmPuts), put);
  report(subject, 'churn', n, nanoseconds(streams.fresh.slice(warmPuts, churnCalls), put));
}

measure('npm_lru_cache', new LRUCache({ max: n }), calls);
// An insertion looks at all entries: at a million, twenty of them must do.
measure('scanned_map', new ScannedMap(n), Math.min(calls, 20_000_000 / n));
if (found === 0) throw new Error('nothing was found');
