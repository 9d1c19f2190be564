// SPDX-License-Identifier: MIT

// js-libp2p 2, in the words of ../libp2p/stack.mjs.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'

export { multiaddr } from '@multiformats/multiaddr'
export { peerIdFromString } from '@libp2p/peer-id'
export const NAME = 'js-libp2p 2'

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

// Here a stream takes what it sends from an iterator, as fast as it can.
class Stream {
  waiting = []   // what is to be sent, and who is told when it was taken
  wake = () => {}
  constructor (raw) {
    this.raw = raw
    this.sunk = raw.sink(this.content()).catch(() => {})
  }
  async * content () {
    for (;;) {
      while (this.waiting.length === 0) await new Promise(resolve => { this.wake = resolve })
      const [content, taken] = this.waiting.shift()
      if (content === undefined) return
      yield content
      taken()
    }
  }
  send (content) {
    return new Promise(resolve => {
      this.waiting.push([content, resolve])
      this.wake()
    })
  }
  async end () {
    this.send(undefined)
    await this.sunk
    await this.raw.closeWrite()
  }
  abort () { this.raw.abort(new Error('on purpose')) }
  async * chunks () {
    for await (const part of this.raw.source) yield part.subarray()
  }
}

const many = { maxInboundStreams: 1000, maxOutboundStreams: 1000 }

export const handle = (node, protocol, f) => node.handle(protocol, ({ stream }) => f(new Stream(stream)), many)
export const open = async (node, peer, protocol) => new Stream(await node.dialProtocol(peer, protocol, many))
