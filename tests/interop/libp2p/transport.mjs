// SPDX-License-Identifier: MIT

// js-libp2p under the same contract as ../transport/peer.cpp.

import { connect } from 'node:net'
import { multiaddr, theirs } from './stack.mjs'

const key = `${process.env.TEST_KEY}_listener_multiaddr`
const now = () => Number(process.hrtime.bigint()) / 1e6

// One command of Redis, on a connection of its own.
function redis (...words) {
  const [host, port] = process.env.REDIS_ADDR.split(':')
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host)
    socket.on('error', reject)
    let said = ''
    socket.on('data', part => {
      said += part
      const lines = said.split('\r\n')
      if (lines.length < 2 || (lines[0][0] === '$' && lines[0] !== '$-1' && lines.length < 3)) return
      socket.destroy()
      resolve(lines[0][0] === '$' ? lines[1] : lines[0])
    })
    socket.write(`*${words.length}\r\n` + words.map(w => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join(''))
  })
}

const node = await theirs('Ed25519')
if (process.env.IS_DIALER !== 'true') {
  await redis('SET', key, node.getMultiaddrs()[0].toString())
} else {
  let address
  while (!(address = await redis('GET', key))) await new Promise(resolve => setTimeout(resolve, 50))
  const began = now()
  const connection = await node.dial(multiaddr(address))
  await node.services.ping.ping(connection.remotePeer)
  const took = now() - began
  const rtt = await node.services.ping.ping(connection.remotePeer)
  console.log(`latency:\n  handshake_plus_one_rtt: ${took.toFixed(3)}\n  ping_rtt: ${rtt}\n  unit: ms`)
  process.exit(0)
}
