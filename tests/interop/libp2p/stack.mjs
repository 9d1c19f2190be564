// SPDX-License-Identifier: MIT

// js-libp2p 3 for the programs here, and its streams in the few words that both major versions have in common.

import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

export { multiaddr } from '@multiformats/multiaddr'
export { peerIdFromString } from '@libp2p/peer-id'
export const NAME = 'js-libp2p 3'

// A node with a new key of `type`.
export async function theirs (type) {
  return createLibp2p({
    privateKey: await generateKeyPair(type, 2048),  // bits, of RSA
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      // Its connection monitor pings as well, and aborts the connection when it finds no place.
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 8 })
    }
  })
}

class Stream {
  constructor (raw) { this.raw = raw }
  // Resolves when more can be sent.
  async send (content) {
    if (!this.raw.send(content)) await this.raw.onDrain()
  }
  async end () { await this.raw.close() }
  abort () { this.raw.abort(new Error('on purpose')) }
  async * chunks () {
    for await (const part of this.raw) yield part.subarray()
  }
}

const many = { maxInboundStreams: 1000, maxOutboundStreams: 1000 }

export const handle = (node, protocol, f) => node.handle(protocol, raw => f(new Stream(raw)), many)
export const open = async (node, peer, protocol) => new Stream(await node.dialProtocol(peer, protocol, many))
