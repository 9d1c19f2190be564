// SPDX-License-Identifier: MIT

// js-libp2p beside muster's node, in both roles. Usage: node --import ./polyfill.mjs drive.mjs NODE [full]
//
// The version of js-libp2p is that of stack.mjs beside this. Whatever is exchanged is the same for every kind of key;
// what is dear is done once, unless all is asked for.

import { createHash, randomBytes } from 'node:crypto'
import { breakOff } from './broken.mjs'
import { check, Ours, until, within } from './ours.mjs'
import { handle, multiaddr, NAME, open, peerIdFromString, theirs } from './stack.mjs'

const FRAMES = '/muster/interop/1.0.0'
const REQUESTS = '/muster/echo/1.0.0'
const BULK = '/muster/bulk/1.0.0'
const MEBIBYTE = 1 << 20
const IS_FULL = process.argv[3] === 'full'
const hex = bytes => Buffer.from(bytes).toString('hex')
const reversed = bytes => Uint8Array.from(bytes).reverse()

async function collect (stream) {
  const parts = []
  for await (const part of stream.chunks()) parts.push(part)
  return Buffer.concat(parts)
}

// Calls `f` with each frame of a stream; those of up to 2^21 bytes.
async function readFrames (stream, f) {
  let held = Buffer.alloc(0)
  for await (const part of stream.chunks()) {
    held = held.length === 0 ? Buffer.from(part) : Buffer.concat([held, part])
    for (;;) {
      let length = 0, at = 0
      do { length |= (held[at] & 0x7f) << (7 * at) } while (at < held.length && held[at++] >= 0x80)
      if (at === 0 || held[at - 1] >= 0x80 || held.length < at + length) break
      f(held.subarray(at, at + length))
      held = held.subarray(at + length)
    }
  }
}

// Node and what it has heard.
async function start (type) {
  const node = await theirs(type)
  node.frames = []
  node.poured = []  // what came over BULK: count and hash
  node.addEventListener('peer:identify', e => { node.identified = e.detail })
  await handle(node, FRAMES, stream => readFrames(stream, frame => node.frames.push(hex(frame))))
  await handle(node, BULK, stream => {
    const hash = createHash('sha256')
    let count = 0
    return readFrames(stream, frame => {
      count += frame.length
      frame.length > 0 ? hash.update(frame) : node.poured.push(`${count} ${hash.digest('hex')}`)
    })
  })
  await handle(node, REQUESTS, async stream => {
    await stream.send(reversed(await collect(stream)))
    await stream.end()
  })
  return node
}

async function ask (node, ourId, question) {
  const stream = await within(open(node, ourId, REQUESTS), 'a request stream')
  const answer = collect(stream)
  if (question.length > 0) await stream.send(question)
  await stream.end()
  const got = await within(answer, 'an answer')
  check(hex(got) === hex(reversed(question)), `answer of ${question.length} bytes`)
}

// ---- what two connected nodes do with each other --------------------------------------------------------------------

async function identifyEachOther ({ ours, ourId, node, address }) {
  const [, agent, state] = await ours.line(new RegExp(`^identified ${node.peerId} (\\S+) \\d+ (\\S+)$`))
  check(/^(js-)?libp2p/.test(agent), `agent ${agent}`)
  check(state === 'signed', `their peer record is ${state}`)
  await until(() => node.identified?.protocols.includes(REQUESTS), 'js has identified us')
  check(node.identified.agentVersion === 'muster', 'our agent')
  check(node.identified.peerId.equals(ourId), 'our peer id')
  check(node.identified.observedAddr !== undefined, 'where we see them')
  const told = node.identified.signedPeerRecord?.addresses.map(a => a.toString())
  check(told?.includes(address.split('/p2p/')[0]), `our signed record: ${told}`)
  const peer = await node.peerStore.get(ourId)
  check(peer.peerRecordEnvelope !== undefined, 'js has verified our signed record and kept it')
}

async function exchange ({ ours, ourId, node }) {
  check(await within(node.services.ping.ping(ourId), 'ping') >= 0, 'ping')
  for (const size of [0, 1, 1000, 60_000]) await ask(node, ourId, Uint8Array.from({ length: size }, (_, i) => i % 251))
  ours.say(`ask ${node.peerId} 010203`)
  await ours.line(/^answer 030201$/)

  const stream = await within(open(node, ourId, FRAMES), 'a stream of frames')
  await stream.send(Uint8Array.from([3, 1, 2, 3, 0, 2, 4]))  // a frame, an empty one, half of a third one
  await stream.send(Uint8Array.from([5]))
  await ours.line(new RegExp(`^frame ${node.peerId} 010203$`))
  await ours.line(new RegExp(`^frame ${node.peerId} 0405$`))
  await until(() => node.frames.includes('010203ff') && node.frames.includes('0405ff'), 'frames come back')
  ours.say(`frame ${node.peerId} aabb`)
  await until(() => node.frames.includes('aabb'), 'a frame of ours')
  await stream.end()
}

// js reads to the end, and fails when that comes in the segment of the beginning.
async function identifyOften ({ ourId, node }, times) {
  const connection = node.getConnections(ourId)[0]
  for (let i = 0; i < times; ++i) {
    const it = await within(node.services.identify.identify(connection), `identify ${i}`)
    check(it.agentVersion === 'muster' && it.signedPeerRecord !== undefined, `identify ${i} is whole`)
  }
}

async function pingFor ({ ours, ourId, node }, seconds) {
  const end = Date.now() + 1000 * seconds
  let count = 0
  for (; Date.now() < end; ++count) {
    check(await within(node.services.ping.ping(ourId), `ping ${count}`) < 10_000, `ping ${count}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  check(count > 0 && node.getConnections(ourId).length === 1, 'still connected')
  if (seconds < 15) return  // ours come every ten
  ours.say(`round-trip ${node.peerId}`)
  const [, microseconds] = await ours.line(/^round-trip (\d+)$/)
  check(Number(microseconds) > 0, `our pings are answered: ${microseconds}`)
}

// Both at once, each on one stream.
async function pour ({ ours, ourId, node }, size) {
  const stream = await within(open(node, ourId, BULK), 'a stream for much')
  ours.say(`bulk ${node.peerId} ${size}`)
  const hash = createHash('sha256')
  const content = randomBytes(60 << 10)
  for (let left = size; ;) {
    const part = content.subarray(0, Math.min(left, content.length))
    content.writeUInt32LE(left, 0)
    const length = []
    let n = part.length
    for (; n >= 0x80; n >>= 7) length.push((n & 0x7f) | 0x80)
    length.push(n)
    hash.update(part)
    left -= part.length
    await within(stream.send(Uint8Array.from(Buffer.concat([Uint8Array.from(length), part]))), `room for ${left} bytes`)
    if (part.length === 0) break
  }
  const took = await ours.line(new RegExp(`^bulk ${node.peerId} (\\d+ \\S+)$`), 60)
  check(took[1] === `${size} ${hash.digest('hex')}`, 'what they have sent')
  const sent = await ours.line(/^sent (\S+)$/, 60)
  await until(() => node.poured.length > 0, 'what we have sent', 60)
  check(node.poured.pop() === `${size} ${sent[1]}`, 'what we have sent')
  await stream.end()
}

async function openMany ({ ours, ourId, node }, count) {
  const streams = await Promise.all(Array.from({ length: count }, () => within(open(node, ourId, REQUESTS), 'a stream')))
  const answers = streams.map(collect)
  const question = i => Uint8Array.from([i & 255, i >> 8, 9])
  await Promise.all(streams.map(async (s, i) => { await s.send(question(i)); await s.end() }))
  for (const [i, answer] of (await within(Promise.all(answers), 'all answers')).entries()) {
    check(hex(answer) === hex(reversed(question(i))), `answer ${i}`)
  }
  ours.say(`ask-many ${node.peerId} ${count}`)
  const [, right] = await ours.line(/^answered (\d+)$/, 30)
  check(Number(right) === count, `${right} of ${count} requests of ours were answered`)
}

// ---- who with whom --------------------------------------------------------------------------------------------------

async function pair (type, connect, ...deeds) {
  const ours = new Ours(process.argv[2])
  const address = (await ours.line(/^listening (\S+)$/))[1]
  const node = await start(type)
  try {
    const ourId = peerIdFromString(address.split('/p2p/')[1])
    await connect(ours, node, address, node.getMultiaddrs()[0].toString())
    await ours.line(new RegExp(`^connected ${node.peerId} `))
    await until(() => node.getConnections(ourId).length > 0, 'js is connected')
    const both = { ours, ourId, node, address }
    await identifyEachOther(both)
    await exchange(both)
    for (const deed of deeds) await deed(both)
    const isWrong = /^(lost|unanswered|unsent|disconnected)(?!.*replaced by another connection$)/  // of two, one is kept
    const wrong = ours.lines.filter(l => isWrong.test(l))
    check(wrong.length === 0, wrong.join('\n'))
  } finally {
    ours.end()
    await node.stop()
  }
}

const theyDial = (ours, node, address) => within(node.dial(multiaddr(address)), 'js dials')
const weDial = async (ours, node, address, theirs) => {
  ours.say(`dial ${theirs}`)
  await until(() => node.getConnections().length === 1, 'we dial')
}
const bothDial = async (ours, node, address, theirs) => {
  ours.say(`dial ${theirs}`)
  await within(node.dial(multiaddr(address)), 'both dial')
}

const began = Date.now()
const report = what => console.log(`${NAME}, ${what} (${((Date.now() - began) / 1000).toFixed(1)} s)`)

for (const type of ['Ed25519', 'secp256k1', 'RSA']) {
  const isDear = IS_FULL || type === 'Ed25519'
  const dear = [
    both => identifyOften(both, isDear ? 1000 : 50),
    both => openMany(both, isDear ? 200 : 20),
    both => pour(both, isDear ? 64 * MEBIBYTE : 2 * MEBIBYTE),
    both => pingFor(both, IS_FULL ? 60 : 1)
  ]
  await pair(type, theyDial, ...dear)
  report(`${type}: it dials, all as it must be`)
  await pair(type, weDial, ...dear)
  report(`${type}: we dial, all as it must be`)
  for (let round = 0; round < (IS_FULL ? 20 : 3); ++round) await pair(type, bothDial)
  report(`${type}: both dial at once, all as it must be`)
}
const stages = await breakOff(process.argv[2], await start('Ed25519'), IS_FULL)
report(`abrupt ends at ${stages} stages: nothing is left of them`)
process.exit(0)
