// SPDX-License-Identifier: MIT

// The transport tests of libp2p's interop suite without Docker: each of two programs dials each, through a Redis of our
// own on loopback. Usage: node --import ./polyfill.mjs suite.mjs PEER REDIS

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:net'
import { check, until, within } from './ours.mjs'
import { NAME } from './stack.mjs'

const [, , peer, redisServer] = process.argv
const programs = {
  muster: [peer],
  [NAME]: [process.execPath, '--import', './polyfill.mjs', 'transport.mjs']
}

const freePort = await new Promise(resolve => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

function start ([program, ...rest], environment = {}) {
  const child = spawn(program, rest, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  child.said = ''
  child.complained = ''
  child.stdout.on('data', part => { child.said += part })
  child.stderr.on('data', part => { child.complained += part })
  child.over = new Promise(resolve => child.on('close', resolve))
  return child
}

async function pair (dialer, listener) {
  const name = `${dialer} x ${listener} (tcp, noise, yamux)`
  const common = {
    REDIS_ADDR: `127.0.0.1:${freePort}`,
    TEST_KEY: createHash('sha256').update(name).digest('hex').slice(0, 8),
    TRANSPORT: 'tcp',
    SECURE_CHANNEL: 'noise',
    MUXER: 'yamux',
    LISTENER_IP: '127.0.0.1',
    DEBUG: 'false'
  }
  const listens = start(programs[listener], { ...common, IS_DIALER: 'false' })
  const dials = start(programs[dialer], { ...common, IS_DIALER: 'true' })
  try {
    const code = await within(dials.over, name, 60)
    check(code === 0, `${name}: exits with ${code}: ${dials.complained}`)
    const yaml = /^(#.*\n)?latency:\n {2}handshake_plus_one_rtt: ([\d.]+)\n {2}ping_rtt: ([\d.]+)\n {2}unit: ms\n$/
    const said = dials.said.match(yaml)
    check(said !== null, `${name}: prints ${JSON.stringify(dials.said)}`)
    check(listens.said === '' && listens.exitCode === null, `${name}: the listener prints ${listens.said}`)
    console.log(`${name}: pass, ${said[2]} ms and ${said[3]} ms`)
  } finally {
    listens.kill()
    dials.kill()
    await listens.over
  }
}

const redis = start([redisServer, '--port', String(freePort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'])
try {
  await until(() => redis.said.includes('Ready to accept connections'), 'Redis is ready')
  for (const dialer of Object.keys(programs)) {
    for (const listener of Object.keys(programs)) await pair(dialer, listener)
  }
  // What we do not speak is refused by name, and nothing is printed.
  const refused = start(programs.muster, { TRANSPORT: 'quic-v1', IS_DIALER: 'true', REDIS_ADDR: `127.0.0.1:${freePort}` })
  check(await within(refused.over, 'a refusal') !== 0 && refused.said === '', 'quic-v1 is refused')
} finally {
  redis.kill()
  await redis.over
}
process.exit(0)
