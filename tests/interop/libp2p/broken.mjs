// SPDX-License-Identifier: MIT

// Connections that end abruptly. Between the two nodes is a socket that counts what passes, and cuts both ends off
// after so many bytes: once at every length at which one side has said something, and at some lengths between.

import { connect, createServer } from 'node:net'
import { check, Ours, until, within } from './ours.mjs'
import { multiaddr, peerIdFromString } from './stack.mjs'

// Passes bytes on from `port`, `allowed` of them; then ends as `how` says. `marks` takes the totals after each segment.
async function between (port, allowed, how) {
  const marks = []
  let passed = 0
  let cut
  const server = createServer(a => {
    const b = connect(port, '127.0.0.1')
    let over = false
    cut = () => {
      over = true
      for (const s of [a, b]) how === 'reset' ? s.resetAndDestroy() : s.end()
    }
    const pass = (from, to) => {
      from.on('data', content => {
        if (over) return
        const part = content.subarray(0, allowed - passed)
        passed += part.length
        marks.push(passed)
        to.write(part)
        if (passed >= allowed) setImmediate(cut)
      })
      from.on('end', () => to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => { if (from.destroyed) to.end() })
    }
    pass(a, b)
    pass(b, a)
    if (allowed === 0) cut()
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { port: server.address().port, marks, cut: () => cut?.(), close: () => server.close() }
}

const at = port => `/ip4/127.0.0.1/tcp/${port}`
const portOf = address => Number(/\/tcp\/(\d+)/.exec(address)[1])

// Nothing is left of what was cut: no connection, no dial, no byte.
async function isQuiet (ours) {
  let gauges
  for (let i = 0; i < 600; ++i) {
    ours.say('stats')
    gauges = (await ours.line(/^stats (.*)$/))[1]
    if (/^0( 0)*$/.test(gauges)) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`after an abrupt end we still hold: ${gauges}`)
}

// One connection through such a socket. Whatever comes of it, both try to identify and to ask.
async function attempt (ours, ourAddress, node, role, allowed, how) {
  const ourId = ourAddress.split('/p2p/')[1]
  ours.lines = []
  const wire = await between(portOf(role === 'they' ? ourAddress : node.getMultiaddrs()[0].toString()), allowed, how)
  try {
    if (role === 'they') {
      await within(node.dial(multiaddr(`${at(wire.port)}/p2p/${ourId}`)), 'a dial').catch(() => {})
    } else {
      ours.say(`dial ${at(wire.port)}/p2p/${node.peerId}`)
      await ours.line(new RegExp(`^(failed|connected ${node.peerId})`), 20)
    }
    ours.say(`ask ${node.peerId} 0102`)
    await ours.line(/^(answer|unanswered)/, 20)
    const id = peerIdFromString(ourId)
    // js-libp2p 3 leaves a ping pending when the connection ends just behind the answer.
    if (node.getConnections(id).length > 0) await within(node.services.ping.ping(id), 'a ping', 0.3).catch(() => {})
    wire.cut()  // if less was said than the other time
    // What it has learned of us by identify is forgotten, or it would dial past the socket between.
    await node.peerStore.delete(id)
    await until(() => node.getConnections().length === 0, `js lets go of a connection that is cut after ${allowed} bytes`)
    await isQuiet(ours)
  } finally {
    wire.close()
  }
  return wire.marks
}

// A node that was not cut off is served as ever.
async function isWhole (ours, ourAddress, node) {
  await within(node.dial(multiaddr(ourAddress)), 'a dial after abrupt ends')
  const ourId = peerIdFromString(ourAddress.split('/p2p/')[1])
  check(await within(node.services.ping.ping(ourId), 'a ping after abrupt ends') >= 0, 'ping')
  await node.hangUp(ourId)
  await isQuiet(ours)
}

// Returns at how many lengths connections were cut.
export async function breakOff (program, node, isFull) {
  let count = 0
  const ours = new Ours(program)
  const address = (await ours.line(/^listening (\S+)$/))[1]
  try {
    for (const role of ['they', 'we']) {
      const marks = await attempt(ours, address, node, role, Infinity, 'end')
      check(marks.length >= 6, `a whole connection has ${marks.length} segments`)
      const lengths = new Set([0])
      for (const m of marks) [m - 1, m, ...(isFull ? [m - 7, m + 1] : [])].forEach(l => lengths.add(Math.max(l, 0)))
      for (const how of ['reset', 'end']) {
        for (const length of lengths) {
          await attempt(ours, address, node, role, length, how).catch(e => {
            throw new Error(`${role} dial, ${how} after ${length} bytes: ${e.message}`)
          })
          ++count
        }
      }
      await isWhole(ours, address, node)
    }
  } finally {
    ours.end()
    await node.stop()
  }
  return count
}
