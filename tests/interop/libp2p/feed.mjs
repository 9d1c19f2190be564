// SPDX-License-Identifier: MIT

// Nodes of js-libp2p in a preconfirmation network with muster's: what is good, bad and malformed, by gossip; questions
// and answers, both ways. Usage: node --import ./polyfill.mjs feed.mjs FEED_NODE

import { deflateSync } from 'node:zlib'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { check, Ours, until, within } from './ours.mjs'
import * as p from './preconf.mjs'
import { handle, multiaddr, open } from './stack.mjs'

const { hex } = p
const COMMITMENTS = '/taiko/167000/0/preconfirmationCommitments'
const LISTS = '/taiko/167000/0/rawTxLists'
const question = name => `/taiko/167000/preconf/1/${name}`
const [HEAD, PAGE, LIST] = ['get_head', 'get_commitments_by_number', 'get_raw_txlist'].map(question)
const SECRET = new Uint8Array(32).fill(0x2a)
const SLASHER = new Uint8Array(20).fill(9)
const SIGNER = hex(p.addressOfKey(SECRET))
const BLOCKS = 20
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

// ---- the chain -------------------------------------------------------------------------------------------------------

const chain = []  // of { list, record, data: { list, record }, hash }
function block (parent, change = {}, by = SECRET) {
  const n = parent === undefined ? 1n : parent.record.commitment.preconf.block + 1n
  const content = deflateSync(Buffer.from(`transactions of block ${n}`))
  const list = { hash: p.keccak(content), content }
  const time = change.time ?? 1_700_000_000n + 2n * n
  const commitment = {
    preconf: {
      eop: false, block: n, time, gas: 30_000_000n, coinbase: new Uint8Array(20).fill(7), anchor: 1000n + n,
      list: list.hash, parent: parent === undefined ? new Uint8Array(32) : parent.hash, end: (time + 11n) / 12n * 12n,
      prover: new Uint8Array(20), proposal: n, ...change
    },
    slasher: change.slasher ?? SLASHER
  }
  const record = p.signed(commitment, by)
  return {
    list,
    record,
    hash: p.hashOf(commitment.preconf),
    data: { list: p.ListType.serialize(list), record: p.RecordType.serialize(record) }
  }
}

// ---- js-libp2p -------------------------------------------------------------------------------------------------------

const nodes = []
async function theirs () {
  const node = await createLibp2p({
    privateKey: await generateKeyPair('Ed25519'),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        allowPublishToZeroTopicPeers: true,
        msgIdFn: m => p.messageId(m.data),
        scoreParams: { IPColocationFactorWeight: 0 }
      })
    }
  })
  nodes.push(node)
  node.heard = new Map()  // how often, by what it was
  node.services.pubsub.addEventListener('message', e => {
    const id = hex(e.detail.data)
    node.heard.set(id, (node.heard.get(id) ?? 0) + 1)
  })
  node.lost = []
  node.addEventListener('peer:disconnect', e => node.lost.push(String(e.detail)))
  node.publish = (topic, data) => node.services.pubsub.publish(topic, data)
  for (const t of [COMMITMENTS, LISTS]) node.services.pubsub.subscribe(t)
  return node
}
const isMeshed = (node, topic, id) => node.services.pubsub.getMeshPeers(topic).map(String).includes(id)
// A node that is connected to `at`, and in its meshes.
async function member (at) {
  const node = await theirs()
  const id = at.getComponents().at(-1).value
  await node.dial(at)
  await until(() => [COMMITMENTS, LISTS].every(t => isMeshed(node, t, id)), 'js is in the meshes', 20)
  return node
}

// ---- questions: a length, and so many bytes, each way ----------------------------------------------------------------

function framed (data) {
  const length = []
  for (let n = data.length; ; n >>>= 7) {
    if (n < 128) return p.joined(Uint8Array.from([...length, n]), data)
    length.push(n & 127 | 128)
  }
}
async function unframed (stream) {
  let all = new Uint8Array(0)
  for await (const chunk of stream.chunks()) {
    all = p.joined(all, chunk)
    let [size, at] = [0, 0]
    while (at < all.length && all[at] > 127) size += (all[at] & 127) * 128 ** at++
    if (at === all.length) continue
    size += all[at] * 128 ** at++
    if (all.length >= at + size) return all.subarray(at, at + size)
  }
  throw new Error('no answer')
}
async function ask (node, peer, protocol, data) {
  const stream = await open(node, peer, protocol)
  try {
    await stream.send(framed(data))
    return await within(unframed(stream), 'an answer', 10)
  } finally {
    stream.abort()
  }
}
const isRefused = asked => asked.then(() => false, e => !/too late/.test(e.message))

// Serves the chain, and keeps when it was asked what by whom.
async function serves (node) {
  node.asked = { [HEAD]: [], [PAGE]: [], [LIST]: [] }
  const serve = (protocol, answer) => handle(node, protocol, async stream => {
    try {
      const asked = await unframed(stream)
      node.asked[protocol].push(Date.now())
      await stream.send(framed(answer(asked)))
      await stream.end()
    } catch {}  // who asked has gone
  })
  await serve(HEAD, asked => {
    check(p.HeadRequestType.deserialize(asked).reserved.length === 0, 'it asks for a head with something in it')
    const { block, end } = chain.at(-1).record.commitment.preconf
    return p.HeadType.serialize({ block, end })
  })
  await serve(PAGE, asked => {
    const { start, count } = p.PageRequestType.deserialize(asked)
    check(count <= 256, 'it asks for more than there may be')
    const from = Math.max(Number(start) - 1, 0)
    return p.PageType.serialize({ records: chain.slice(from, from + count).map(b => b.record) })
  })
  await serve(LIST, asked => {
    const { hash } = p.ListRequestType.deserialize(asked)
    const found = chain.find(b => hex(b.list.hash) === hex(hash))
    return p.ListType.serialize({ hash, content: found === undefined ? new Uint8Array(0) : found.list.content })
  })
}

// ---- the parts -------------------------------------------------------------------------------------------------------

const start = () => new Ours(process.argv[2], [SIGNER, hex(SLASHER)])
const ours = start()
const programs = [ours]
const at = multiaddr((await ours.line(/^listening (\S+)$/))[1])
const id = at.getComponents().at(-1).value
const fate = async (node, topic, outcome) => (await ours.line(
  new RegExp(`^message topic=${topic} from=gossip peer=${node.peerId} .*outcome=${outcome} reason=(\\S*)$`)))[1]
const hears = (node, data) => until(() => node.heard.get(hex(data)) === 1, 'js hears what is passed on')
async function scores (node) {
  ours.say(`score ${node.peerId}`)
  return (await ours.line(/^score (\S+) (\S+)$/)).slice(1).map(Number)
}
const accepted = async b => {
  await ours.line(new RegExp(`^accepted ${b.record.commitment.preconf.block} ${hex(b.hash)} by ${SIGNER} from gossip$`))
}

async function good (speaker, witness) {
  for (let n = 0; n < BLOCKS; ++n) {
    const b = block(chain.at(-1))
    chain.push(b)
    // The list first, as the specification has it, or behind its record.
    const parts = [[LISTS, b.data.list], [COMMITMENTS, b.data.record]]
    for (const [topic, data] of n % 2 === 0 ? parts : parts.reverse()) await speaker.publish(topic, data)
    await accepted(b)
    await ours.line(new RegExp(`^list ${hex(b.list.hash)} ${b.list.content.length} from gossip$`))
    await hears(witness, b.data.record)
    await hears(witness, b.data.list)
  }
  console.log(`feed: ${BLOCKS} pairs of js are accepted, and passed on once`)

  // The last one first: what waits is passed on when its parent has come.
  const late = [block(chain.at(-1))]
  while (late.length < 3) late.push(block(late.at(-1)))
  for (const b of late.slice(1).reverse()) {
    await speaker.publish(COMMITMENTS, b.data.record)
    await fate(speaker, 'record', 'pending')
  }
  check(late.every(b => !witness.heard.has(hex(b.data.record))), 'what waits is passed on')
  await speaker.publish(COMMITMENTS, late[0].data.record)
  for (const b of late) {
    await accepted(b)
    await speaker.publish(LISTS, b.data.list)
    for (const data of [b.data.record, b.data.list]) await hears(witness, data)
  }
  chain.push(...late)

  // What ours publishes is verified by js.
  const b = block(chain.at(-1))
  ours.say(`publish ${hex(b.list.content)} ${hex(b.data.record)}`)
  await ours.line(new RegExp(`^published ${hex(b.hash)}$`))
  for (const n of [speaker, witness]) {
    for (const data of [b.data.record, b.data.list]) await hears(n, data)
  }
  chain.push(b)
  const [points, gossip] = await scores(speaker)
  check(points > 0 && gossip > 0, `who has said so much has earned ${points} and ${gossip}`)
  console.log('feed: what waits for its parent follows it; what muster publishes is heard by js')
}

// Each of these is said by a node of its own: [topic, data, reason].
function wrong () {
  const head = chain.at(-1)
  const c = head.record.commitment.preconf
  const next = (change, by) => ['record', block(head, change, by).data.record]
  const fine = block(head)
  const changed = (data, at, value) => Object.assign(Uint8Array.from(data), { [at]: value })
  const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const { commitment, signature } = fine.record
  const s = N - BigInt('0x' + hex(signature.subarray(32, 64)))
  const twin = p.joined(signature.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex'), [signature[64] ^ 1])
  const list = fine.list
  return {
    'of 381 bytes': ['record', fine.data.record.subarray(1), 'malformed'],
    'of 383 bytes': ['record', p.joined(fine.data.record, [0]), 'record_too_large'],
    'with a boolean of 2': ['record', changed(fine.data.record, 0, 2), 'malformed'],
    'with recovery id 27': ['record', changed(fine.data.record, 381, 27), 'bad_signature'],
    'with the high-S twin of its signature': ['record', p.RecordType.serialize({ commitment, signature: twin }), 'bad_signature'],
    'of another signer': [...next({}, new Uint8Array(32).fill(7)), 'wrong_slot_signer'],
    'of another slasher': [...next({ slasher: new Uint8Array(20).fill(8) }), 'slasher_mismatch'],
    'without a list, inside its window': [...next({ list: new Uint8Array(32) }), 'preconf_basic'],
    'two blocks above its parent': [...next({ block: c.block + 2n }), 'block_number'],
    'of the time of its parent': [...next({ time: c.time }), 'timestamp'],
    'of a lower anchor than its parent': [...next({ anchor: c.anchor - 1n }), 'anchor'],
    'of a window that ends elsewhere': [...next({ end: (c.time + 13n) / 12n * 12n + 2n }), 'slot_drift'],
    'of a time after its window': [...next({ end: c.time }), 'timestamp_after_window'],
    'list with another hash': ['blob', p.ListType.serialize({ ...list, hash: c.parent }), 'txlist_hash_mismatch'],
    'list with no hash': ['blob', p.ListType.serialize({ ...list, hash: new Uint8Array(32) }), 'zero_hash_txlist'],
    'list with nothing in it': ['blob', p.ListType.serialize({ ...list, content: new Uint8Array(0) }), 'empty_txlist'],
    'list with another offset': ['blob', changed(fine.data.list, 32, 37), 'malformed'],
    'list of 35 bytes': ['blob', fine.data.list.subarray(0, 35), 'malformed']
  }
}
async function bad (witness) {
  const all = Object.entries(wrong())
  for (let from = 0; from < all.length; from += 6) {  // beside others, fewer than a mesh may have
    await Promise.all(all.slice(from, from + 6).map(async ([what, [kind, data, why]]) => {
      const node = await member(at)
      const topic = kind === 'record' ? COMMITMENTS : LISTS
      await node.publish(topic, data)
      const reason = await fate(node, kind, 'reject')
      check(reason === why, `one ${what} is rejected for ${reason}, not for ${why}`)
      await ours.line(new RegExp(`^charged ${node.peerId} invalid_message$`))
      // 20 points of the feed are one of gossip; an invalid message is two.
      const [points, gossip] = await scores(node)
      check(points <= -18 && points >= -20 && gossip <= -2.8 && gossip >= -3, `${what}: scores ${points} and ${gossip}`)
      await until(() => !isMeshed(node, topic, id), `js is pruned for one ${what}`, 20)
      check(!witness.heard.has(hex(data)), `one ${what} is passed on`)
      await node.stop()
    }))
  }
  console.log(`feed: ${all.length} kinds of bad and malformed messages are rejected, each with its reason, and their senders scored and pruned`)
}

// Who goes on is not heard any more; who says what cannot be judged is.
async function again (witness) {
  const node = await member(at)
  const stray = block({ ...chain.at(-1), hash: new Uint8Array(32).fill(3) })
  await node.publish(COMMITMENTS, stray.data.record)
  await fate(node, 'record', 'pending')
  check((await scores(node))[0] === 0, 'what waits costs')
  for (const value of [2, 3]) {
    await node.publish(COMMITMENTS, Object.assign(Uint8Array.from(stray.data.record), { 0: value }))
    await fate(node, 'record', 'reject')
  }
  const [, gossip] = await scores(node)
  check(gossip < -5, `two invalid messages: ${gossip}`)
  const b = block(chain.at(-1))
  await node.publish(COMMITMENTS, b.data.record)
  await ask(node, node.services.pubsub.getPeers()[0], HEAD, p.HeadRequestType.serialize({ reserved: new Uint8Array(0) }))
  await pause(1000)  // far more than it needs
  check(!witness.heard.has(hex(b.data.record)), 'who is below the graylist threshold is heard')
  console.log('feed: what waits costs nothing; who repeats what is invalid is not heard any more')
  return b
}

async function questions () {
  const node = await theirs()
  await node.dial(at)
  const peer = node.getPeers()[0]
  const { block, end } = chain.at(-1).record.commitment.preconf
  const none = p.HeadRequestType.serialize({ reserved: new Uint8Array(0) })
  const head = p.HeadType.deserialize(await ask(node, peer, HEAD, none))
  check(head.block === block && head.end === end, `the head is ${head.block}, its window ends at ${head.end}`)
  for (const [start, count] of [[1n, 256], [5n, 3], [block, 1], [block + 1n, 10], [2n ** 256n - 1n, 1]]) {
    const page = p.PageType.deserialize(await ask(node, peer, PAGE, p.PageRequestType.serialize({ start, count })))
    const wanted = start > block ? [] : chain.slice(Number(start) - 1, Number(start) - 1 + count)
    check(page.records.length === wanted.length, `a page from ${start} has ${page.records.length} records`)
    page.records.forEach((r, i) => check(hex(p.RecordType.serialize(r)) === hex(wanted[i].data.record), `record ${i} differs`))
  }
  for (const [hash, content] of [[chain[3].list.hash, chain[3].list.content], [SECRET, new Uint8Array(0)]]) {
    const answer = p.ListType.deserialize(await ask(node, peer, LIST, p.ListRequestType.serialize({ hash })))
    check(hex(answer.hash) === hex(hash) && hex(answer.content) === hex(content), 'a list differs')
  }
  // Eight in ten seconds, of each kind: seven more heads, and the next one is refused, though not with the connection.
  for (let i = 1; i < 8; ++i) await ask(node, peer, HEAD, none)
  check(await isRefused(ask(node, peer, HEAD, none)), 'the ninth question in a row is answered')
  check(node.lost.length === 0, 'who asks too often is cut')
  console.log('feed: heads, pages and lists of muster are those that js expects; the ninth question is refused')
}

// One behind all of it, who has js alone: it asks within the limits, and has everything.
async function lateJoiner (servers) {
  const joiner = start()
  programs.push(joiner)
  await joiner.line(/^listening /)
  for (const n of servers) {
    n.asked = { [HEAD]: [], [PAGE]: [], [LIST]: [] }
    joiner.say(`dial ${n.getMultiaddrs()[0]}`)
  }
  joiner.say('ready')
  await joiner.line(new RegExp(`^sync live ${chain.length} of ${chain.length} missing 0$`), 60)
  for (const b of chain) await joiner.line(new RegExp(`^accepted ${b.record.commitment.preconf.block} ${hex(b.hash)} `))
  for (const n of servers) {
    for (const [protocol, times] of Object.entries(n.asked)) {
      check(times.length > 0 || protocol !== LIST, 'one of those who have the lists is not asked for any')
      // Less by what js may be late with the first of them, and far more than a burst would show.
      for (let i = 8; i < times.length; ++i) check(times[i] - times[i - 8] > 8000, `more than 8 of ${protocol} in 10 s`)
    }
  }
  console.log(`feed: one behind ${chain.length} blocks catches up from ${servers.length} nodes of js, at no time with more than 8 questions in 10 s`)
}

// Who asks what is no question pays for each, as much as a window of time allows, and is banned when that has lasted.
async function banned () {
  const node = await theirs()
  await node.dial(at)
  const peer = node.getPeers()[0]
  for (let window = 0; window < 3; ++window) {
    const next = pause(10_500)
    for (let i = 0; i < 5; ++i) {
      check(await isRefused(ask(node, peer, PAGE, Uint8Array.from([1, 2, 3]))), 'what is no question is answered')
    }
    const [points] = await scores(node)
    check(window > 0 || (points <= -70 && points >= -80), `five offences in a window cost ${points}`)
    await next
  }
  await ours.line(new RegExp(`^banned ${node.peerId}$`), 60)
  await until(() => node.lost.includes(id), 'js is cut when it is banned')
  console.log('feed: who goes on asking what is no question is banned, and cut')
}

try {
  const witness = await member(at)
  const speaker = await member(at)
  const ban = banned()
  ban.catch(() => {})
  await good(speaker, witness)
  await bad(witness)
  const b = await again(witness)
  await speaker.publish(COMMITMENTS, b.data.record)
  await accepted(b)
  await speaker.publish(LISTS, b.data.list)
  await hears(witness, b.data.record)
  await hears(witness, b.data.list)
  chain.push(b)
  await questions()
  for (const n of [speaker, witness]) await serves(n)
  await lateJoiner([speaker, witness])
  await ban
  for (const n of [speaker, witness]) {
    check([...n.heard.values()].every(c => c === 1), 'something is heard twice')
    check(n.lost.length === 0, 'who did nothing wrong is cut')
  }
  check(!programs.some(o => o.lines.some(l => /^(failed|unpublished)/.test(l))), 'something has failed')
} finally {
  for (const o of programs) o.end()
  await Promise.all(nodes.map(n => n.stop()))
}
process.exit(0)
