// SPDX-License-Identifier: MIT

// Joins the topic `chat` at an address: node join.mjs /ip4/127.0.0.1/tcp/PORT/p2p/ID
import { noise } from '@chainsafe/libp2p-noise'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), pubsub: gossipsub() }
})
node.services.pubsub.addEventListener('message', e => console.log(new TextDecoder().decode(e.detail.data)))
node.services.pubsub.subscribe('chat')
await node.dial(multiaddr(process.argv[2]))
process.stdin.on('data', line => node.services.pubsub.publish('chat', new TextEncoder().encode(`js: ${line}`.trim())))
