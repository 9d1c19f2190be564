// SPDX-License-Identifier: MIT

// A mesh of eight nodes of js-libp2p and two of muster's. Usage: node --import ./polyfill.mjs gossip.mjs NODE [MESSAGES]

import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { check, Ours, until } from './ours.mjs'

const TOPIC = 'interop'
const MESSAGES = Number(process.argv[3] ?? 1000)
const PER_SECOND = 200  // of all; muster's nodes sign with secp256k1, which js verifies slowly, and have a fifth of it
const OF_OURS = Math.floor(MESSAGES / 10)  // of each of the two
const OF_THEIRS = Math.floor((MESSAGES - 2 * OF_OURS) / 8)
const ALL = 2 * OF_OURS + 8 * OF_THEIRS
const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))

async function theirs (type) {
  const node = await createLibp2p({
    privateKey: await generateKeyPair(type),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [tcp(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    connectionMonitor: { enabled: false },  // eight nodes share an event loop, which may be late for their pings
    services: {
      identify: identify(),
      pubsub: gossipsub({ allowPublishToZeroTopicPeers: true, scoreParams: { IPColocationFactorWeight: 0 } })
    }
  })
  node.heard = new Map()
  node.lost = []  // whom it is not connected to any more
  node.services.pubsub.addEventListener('message', e => {
    const m = e.detail
    if (m.topic !== TOPIC) return
    const id = `${m.from} ${m.sequenceNumber}`
    node.heard.set(id, (node.heard.get(id) ?? 0) + 1)
  })
  node.addEventListener('peer:disconnect', e => node.lost.push(String(e.detail)))
  node.services.pubsub.subscribe(TOPIC)
  return node
}

const ours = [new Ours(process.argv[2]), new Ours(process.argv[2])]
const js = []
for (let i = 0; i < 8; ++i) js.push(await theirs(i % 4 === 3 ? 'secp256k1' : 'Ed25519'))
const addresses = [], onWeb = []
for (const o of ours) {
  addresses.push((await o.line(/^listening (\S+\/tcp\/\d+\/p2p\/\S+)$/))[1])
  onWeb.push((await o.line(/^listening (\S+\/ws\/p2p\/\S+)$/))[1])
}
// Bare TCP, or WebSocket.
const addressOf = (node, isWeb) => node.getMultiaddrs().find(a => String(a).includes('/ws') === isWeb)
const ids = addresses.map(a => multiaddr(a).getComponents().at(-1).value)

try {
  // Both roles: js dials one of ours, the other one dials js, half of each over WebSocket; and js among themselves in a
  // ring.
  for (const o of ours) o.say(`subscribe ${TOPIC}`)
  for (let i = 0; i < 8; ++i) {
    await js[i].dial(addressOf(js[(i + 1) % 8], false))
    const isWeb = i >= 4
    if (i % 2 === 0) await js[i].dial(multiaddr((isWeb ? onWeb : addresses)[0]))
    else ours[1].say(`dial ${addressOf(js[i], isWeb)}`)
  }
  ours[1].say(`dial ${addresses[0]}`)
  await until(() => js.every(n => n.services.pubsub.getSubscribers(TOPIC).length >= 3), 'js hears of all subscriptions')
  const webLinks = [0, 1].map(k => js.flatMap(n => n.getConnections())
    .filter(c => String(c.remotePeer) === ids[k] && String(c.remoteAddr).includes('/ws')).length)
  check(webLinks[0] >= 2 && webLinks[1] >= 2, `connections over WebSocket: ${webLinks}`)
  await pause(3000)  // meshes form

  // Published at a steady rate, in turns of a tenth of a second.
  let ourShare = 0
  const counts = js.map(() => 0)
  let next = 0
  for (let sent = 0, turn = 0; sent < ALL; ++turn) {
    // js verifies as fast as the machine lets it: who publishes faster than that is not heard by all.
    await until(() => js.every((n, i) => n.heard.size + counts[i] >= sent - 400), 'js keeps up', 60).catch(e => {
      throw new Error(`${e.message}; it has lost ${js.map(n => n.lost.length)} peers`)
    })
    const began = Date.now()
    for (let i = 0; i < PER_SECOND / 10 && sent < ALL; ++i) {
      if (i % 5 === 4 && ourShare < 2 * OF_OURS) {
        ours[ourShare++ % 2].say(`publish ${TOPIC} 1 256`)
      } else {
        while (counts[next % 8] >= OF_THEIRS && counts.some(c => c < OF_THEIRS)) ++next
        if (counts[next % 8] >= OF_THEIRS) {
          if (ourShare < 2 * OF_OURS) ours[ourShare++ % 2].say(`publish ${TOPIC} 1 256`)
          ++sent
          continue
        }
        // The secp256k1 keys of js are slow as well: one message of theirs is verified by all.
        const from = next++ % 8
        const data = new Uint8Array(256)
        new DataView(data.buffer).setUint32(0, counts[from]++)
        await js[from].services.pubsub.publish(TOPIC, data)
      }
      ++sent
    }
    await pause(Math.max(0, 100 - (Date.now() - began)))
  }

  // Nothing lost: everybody has heard what the others have published, once.
  const heardByOurs = async o => {
    o.say(`heard ${TOPIC}`)
    const [, distinct, all] = await o.line(/^heard (\d+) (\d+)$/)
    return { distinct: Number(distinct), all: Number(all) }
  }
  const wanted = n => ALL - n
  await until(() => js.every((n, i) => n.heard.size >= wanted(counts[i])), `js hears all: ${js.map((n, i) => `${n.heard.size} of ${wanted(counts[i])}`)}`, 30)
  for (const [i, n] of js.entries()) {
    check(n.heard.size === wanted(counts[i]), `js ${i} has heard ${n.heard.size} of ${wanted(counts[i])}`)
    check([...n.heard.values()].every(c => c === 1), `js ${i} has heard one twice`)
  }
  for (const [i, o] of ours.entries()) {
    let got = await heardByOurs(o)
    for (let k = 0; k < 300 && got.distinct < wanted(OF_OURS); ++k) {
      await pause(100)
      got = await heardByOurs(o)
    }
    check(got.distinct === wanted(OF_OURS), `ours ${i} has heard ${got.distinct} of ${wanted(OF_OURS)}`)
    check(got.all === got.distinct, `ours ${i} has heard ${got.all - got.distinct} twice`)
    check(!o.lines.some(l => /^(charged|unpublished|unsubscribed)/.test(l)), o.lines.filter(l => /^(charged|un)/.test(l)).slice(0, 5).join('\n'))
  }
  console.log(`gossip: ${ALL} messages among 8 nodes of js-libp2p and 2 of muster: none lost, none twice; ${webLinks[0] + webLinks[1]} of their connections are WebSockets`)

  // What our validator rejects costs the one that publishes it: we prune it, and js sees that.
  const bad = js[0]
  const meshed = () => bad.services.pubsub.getMeshPeers(TOPIC).map(String).includes(ids[0])
  bad.services.pubsub.publish(TOPIC, Uint8Array.from([0x62, 0x61, 0x64]))
  await ours[0].line(new RegExp(`^charged ${bad.peerId} invalid_message$`))
  for (let i = 0; i < 3; ++i) await bad.services.pubsub.publish(TOPIC, Uint8Array.from([0x62, 0x61, 0x65 + i]))
  await until(() => !meshed(), 'js is pruned for what it has published', 20)
  console.log('gossip: who publishes what is invalid is charged and pruned')
} finally {
  for (const o of ours) o.end()
  await Promise.all(js.map(n => n.stop()))
}
process.exit(0)
