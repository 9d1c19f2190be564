// SPDX-License-Identifier: MIT

// js-libp2p with itself, measured once: two nodes of one process over loopback, as on the other side. The argument says
// what of: `net` or `gossip`. A line of JSON is printed for each figure. ../js.cpp runs this, on the same core.

import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const ECHO = '/echo/1'
const SINK = '/sink/1'
const TOPIC = 'topic'
const many = { maxInboundStreams: 1000, maxOutboundStreams: 1000 }

const seconds = since => Number(process.hrtime.bigint() - since) / 1e9
const now = () => process.hrtime.bigint()
const report = (name, n, metric, value) => console.log(JSON.stringify({ case: name, n, metric, value }))

async function makeNode (services) {
  return createLibp2p({
    privateKey: await generateKeyPair('secp256k1'),  // as muster's nodes have
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1e6, maxConnections: 1000 },
    services
  })
}

// From the call until both know, with what listens.
async function handshakes (a, b, count) {
  const address = b.getMultiaddrs()[0]
  let took = 0
  for (let i = 0; i < count; ++i) {
    const known = new Promise(resolve => b.addEventListener('connection:open', resolve, { once: true }))
    const began = now()
    const connection = await a.dial(address)
    await known
    took += seconds(began)
    await connection.close()
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return count / took
}

async function ask (connection, question) {
  const stream = await connection.newStream(ECHO, many)
  stream.send(question)
  await stream.close()
  let size = 0
  for await (const part of stream) size += part.byteLength
  if (size !== question.length) throw new Error(`${size} bytes of ${question.length}`)
}

// So many of which are under way at a time, each on a stream of its own.
async function requests (connection, ways, count) {
  const question = new Uint8Array(64).fill(7)
  let left = count
  const one = async () => { while (left-- > 0) await ask(connection, question) }
  const began = now()
  await Promise.all(Array.from({ length: ways }, one))
  return count / seconds(began)
}

async function oneWay (connection, sink, size) {
  const stream = await connection.newStream(SINK, many)
  const part = new Uint8Array(60 << 10).fill(7)
  sink.wanted = sink.got + Math.ceil(size / part.length) * part.length
  const began = now()
  for (let sent = 0; sent < size; sent += part.length) if (!stream.send(part)) await stream.onDrain()
  await new Promise(resolve => { sink.done = resolve; sink.look() })
  const rate = (sink.wanted / 1e6) / seconds(began)
  await stream.close()
  return rate
}

async function net () {
  const a = await makeNode({ identify: identify() }), b = await makeNode({ identify: identify() })
  const sink = { got: 0, wanted: Infinity, done: undefined, look () { if (this.got >= this.wanted) this.done?.() } }
  await b.handle(ECHO, async stream => {
    for await (const part of stream) stream.send(part)
    await stream.close()
  }, many)
  await b.handle(SINK, async stream => {
    for await (const part of stream) {
      sink.got += part.byteLength
      sink.look()
    }
  }, many)
  await handshakes(a, b, 30)  // for the compiler's sake, as are those below
  report('net/handshake', 2, 'handshakes_per_s', await handshakes(a, b, 100))
  const connection = await a.dial(b.getMultiaddrs()[0])
  await requests(connection, 1, 300)
  report('net/request', 1, 'requests_per_s', await requests(connection, 1, 1000))
  await requests(connection, 32, 300)
  report('net/request', 32, 'requests_per_s', await requests(connection, 32, 2000))
  await oneWay(connection, sink, 16 << 20)
  sink.got = 0
  report('net/one_way_60k', 2, 'mb_per_s', await oneWay(connection, sink, 64 << 20))
}

async function gossip () {
  const services = () => ({
    identify: identify(),
    pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, scoreParams: { IPColocationFactorWeight: 0 } })
  })
  const a = await makeNode(services()), b = await makeNode(services())
  let heard = 0
  let wake = () => {}
  b.services.pubsub.addEventListener('message', () => { ++heard; wake() })
  for (const n of [a, b]) n.services.pubsub.subscribe(TOPIC)
  await a.dial(b.getMultiaddrs()[0])
  while (a.services.pubsub.getMeshPeers(TOPIC).length === 0) await new Promise(resolve => setTimeout(resolve, 50))
  const publish = async count => {
    const began = now()
    const wanted = heard + count
    for (let i = 0; i < count; ++i) {
      const data = new Uint8Array(256)
      crypto.getRandomValues(data.subarray(0, 8))
      await a.services.pubsub.publish(TOPIC, data)
      while (heard < wanted - count + i - 64) await new Promise(resolve => { wake = resolve })
    }
    while (heard < wanted) await new Promise(resolve => { wake = resolve })
    return count / seconds(began)
  }
  await publish(100)
  report('gossip/signed_256', 2, 'messages_per_s', await publish(500))
}

await (process.argv[2] === 'gossip' ? gossip() : net())
process.exit(0)
