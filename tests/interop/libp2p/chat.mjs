// SPDX-License-Identifier: MIT

// Two of examples/gossip_chat and a node of js-libp2p on one topic, js as docs/gossip.md has it. Usage: node --import
// ./polyfill.mjs chat.mjs GOSSIP_CHAT

import { check, Ours, within } from './ours.mjs'

const program = process.argv[2]
const anna = new Ours(program, ['Anna'])
const address = (await anna.line(/^\* listening on (\S+)$/))[1]
const ben = new Ours(program, ['Ben', address])
const js = new Ours(process.execPath, ['--import', './polyfill.mjs', 'join.mjs', address])
try {
  await anna.line(/^\* 16Uiu2HA\S+ joins$/, 20)  // a key of secp256k1: ours
  await anna.line(/^\* 12D3Koo\S+ joins$/, 20)   // one of Ed25519: theirs
  await ben.line(/ joins$/)
  // Ben and js are not connected: Anna passes on what they say. Each is heard by the two others, as it was said, once.
  const all = { Anna: anna, Ben: ben, js }
  for (const [name, speaker] of Object.entries(all)) {
    speaker.say(`this is ${name}`)
    for (const [other, listener] of Object.entries(all)) {
      if (other !== name) await listener.line(new RegExp(`^${name}: this is ${name}$`))
    }
  }
  check(Object.values(all).every(n => !n.lines.some(l => l.includes('this is'))), 'a line is heard twice, or by its speaker')
  // What our validator rejects is passed on to nobody, and who says it is pruned.
  js.say('\u0007'.repeat(3) + 'bell')
  await anna.line(/^\* 12D3Koo\S+ leaves$/, 20)
  check(!ben.lines.some(l => l.includes('bell')), 'Ben hears what is invalid')
  console.log('chat: two of examples/gossip_chat and js-libp2p as in docs/gossip.md hear each other')
} finally {
  for (const n of [anna, ben, js]) n.process.kill()
  await within(Promise.all([anna, ben, js].map(n => n.over)), 'an end')
}
process.exit(0)
