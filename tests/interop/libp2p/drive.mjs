// SPDX-License-Identifier: MIT

// js-libp2p beside muster's node, in both roles. Usage: node --import ./polyfill.mjs drive.mjs NODE

import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { check, Ours, until, within } from './ours.mjs'

const FRAMES = '/muster/interop/1.0.0'
const REQUESTS = '/muster/echo/1.0.0'
const hex = bytes => Buffer.from(bytes).toString('hex')

async function collect (stream) {
  const parts = []
  for await (const part of stream) parts.push(part.subarray())
  return Buffer.concat(parts)
}

async function theirs (type) {
  const node = await createLibp2p({
    privateKey: await generateKeyPair(type, 2048),  // bits, of RSA
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: { identify: identify(), identifyPush: identifyPush(), ping: ping() }
  })
  node.frames = []
  await node.handle(FRAMES, async stream => {
    let held = Buffer.alloc(0)
    for await (const part of stream) {
      held = Buffer.concat([held, part.subarray()])
      while (held.length > 0 && held.length >= 1 + held[0]) {  // short frames: one byte of length
        node.frames.push(hex(held.subarray(1, 1 + held[0])))
        held = held.subarray(1 + held[0])
      }
    }
  })
  await node.handle(REQUESTS, async stream => {
    const question = await collect(stream)
    stream.send(Uint8Array.from(question).reverse())
    await stream.close()
  })
  return node
}

// Everything that two connected nodes do with each other.
async function talk (ours, ourId, node, address) {
  const theirId = node.peerId.toString()
  const [, agent] = await ours.line(new RegExp(`^identified ${theirId} (\\S+) \\d+ signed$`))
  check(agent.startsWith('js-libp2p'), `agent ${agent}`)
  await until(() => node.identified?.protocols.includes(REQUESTS), 'js has identified us')
  check(node.identified.agentVersion === 'muster', 'our agent')
  const told = node.identified.signedPeerRecord?.addresses.map(a => a.toString())
  check(told?.includes(address.split('/p2p/')[0]), `our signed record: ${told}`)
  check(await within(node.services.ping.ping(ourId), 'ping') >= 0, 'ping')

  for (const size of [0, 1, 1000, 60_000]) {
    const question = Uint8Array.from({ length: size }, (_, i) => i % 251)
    const stream = await within(node.dialProtocol(ourId, REQUESTS), 'a request stream')
    const answer = collect(stream)
    if (size > 0) stream.send(question)
    await stream.close()
    check(hex(await within(answer, 'an answer')) === hex(Uint8Array.from(question).reverse()), `answer of ${size} bytes`)
  }
  ours.say(`ask ${theirId} 010203`)
  await ours.line(/^answer 030201$/)

  const stream = await within(node.dialProtocol(ourId, FRAMES), 'a stream of frames')
  stream.send(Uint8Array.from([3, 1, 2, 3, 0, 2, 4]))  // a frame, an empty one, half of a third one
  stream.send(Uint8Array.from([5]))
  await ours.line(new RegExp(`^frame ${theirId} 010203$`))
  await ours.line(new RegExp(`^frame ${theirId} 0405$`))
  await until(() => node.frames.includes('010203ff') && node.frames.includes('0405ff'), 'frames come back')
  ours.say(`frame ${theirId} aabb`)
  await until(() => node.frames.includes('aabb'), 'a frame of ours')
  await stream.close()
}

async function pair (type, connect) {
  const ours = new Ours(process.argv[2])
  const address = (await ours.line(/^listening (\S+)$/))[1]
  const node = await theirs(type)
  node.addEventListener('peer:identify', e => { node.identified = e.detail })
  try {
    const ourId = multiaddr(address).getComponents().at(-1).value
    const theirAddress = node.getMultiaddrs()[0].toString()
    await connect(ours, node, address, theirAddress)
    await ours.line(new RegExp(`^connected ${node.peerId} `))
    const found = node.getConnections().find(c => c.remotePeer.toString() === ourId)
    check(found !== undefined, 'js is connected')
    await talk(ours, found.remotePeer, node, address)
    check(!ours.lines.some(l => l.startsWith('lost') || l.startsWith('unanswered')), ours.lines.join('\n'))
  } finally {
    ours.end()
    await node.stop()
  }
}

for (const type of ['Ed25519', 'secp256k1', 'RSA']) {
  await pair(type, (ours, node, address) => within(node.dial(multiaddr(address)), 'js dials'))
  console.log(`js-libp2p, ${type}: it dials, all as it must be`)
  await pair(type, async (ours, node, address, theirs) => {
    ours.say(`dial ${theirs}`)
    await until(() => node.getConnections().length === 1, 'we dial')
  })
  console.log(`js-libp2p, ${type}: we dial, all as it must be`)
  for (let round = 0; round < 5; ++round) {
    await pair(type, async (ours, node, address, theirs) => {
      ours.say(`dial ${theirs}`)
      await within(node.dial(multiaddr(address)), 'both dial')
    })
  }
  console.log(`js-libp2p, ${type}: both dial at once, all as it must be`)
}
process.exit(0)
