// SPDX-License-Identifier: MIT

// Encodings, hashes and signatures of random records, beside muster's, both ways. Usage: node --import ./polyfill.mjs
// feed_records.mjs RECORDS_PROGRAM [COUNT] [SEED]

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import { check } from './ours.mjs'
import * as p from './preconf.mjs'

const { hex, unhex } = p
const [, , program, many = '1000', word] = process.argv
const COUNT = Number(many)
const SEED = Number(word ?? Date.now() % 2 ** 31)
console.log(`records: ${COUNT} of each kind, seed ${SEED}`)

// A stream of bytes from the seed: Keccak-256 of it and a counter.
let counter = 0
let pool = new Uint8Array(0)
function some (size) {
  const out = new Uint8Array(size)
  for (let at = 0; at < size;) {
    if (pool.length === 0) pool = p.keccak(Buffer.from(`${SEED} ${counter++}`))
    const taken = pool.subarray(0, size - at)
    out.set(taken, at)
    pool = pool.subarray(taken.length)
    at += taken.length
  }
  return out
}
const below = n => Number(BigInt('0x' + hex(some(6))) % BigInt(n))
const fixed = size => below(8) === 0 ? new Uint8Array(size) : some(size)
// Zero, the greatest, and numbers of each length.
const number = () => below(16) === 0 ? 2n ** 256n - 1n : BigInt('0x00' + hex(some(below(33))))

// ---- as lines: the same fields as muster's program has ---------------------------------------------------------------

const big = n => n.toString(16).padStart(64, '0')
const small = s => BigInt('0x' + s)
const types = { record: p.RecordType, list: p.ListType, head: p.HeadType, page_request: p.PageRequestType, page: p.PageType }
const describe = {
  record (r, { secret, domain }) {
    const { preconf: c, slasher } = r.commitment
    const digest = p.digestOf(r.commitment, unhex(domain))
    return {
      secret, domain, eop: c.eop, block: big(c.block), time: big(c.time), gas: big(c.gas), coinbase: hex(c.coinbase),
      anchor: big(c.anchor), list: hex(c.list), parent: hex(c.parent), end: big(c.end), prover: hex(c.prover),
      proposal: big(c.proposal), slasher: hex(slasher), hash: hex(p.hashOf(c)), digest: hex(digest),
      signature: hex(p.signatureOf(digest, unhex(secret))), signer: hex(p.signerOf(r, unhex(domain)))
    }
  },
  list: l => ({ hash: hex(l.hash), content: hex(l.content), keccak: hex(p.keccak(l.content)) }),
  head: h => ({ block: big(h.block), end: big(h.end) }),
  page_request: r => ({ start: big(r.start), count: r.count }),
  page: g => ({ records: g.records.map(r => hex(p.RecordType.serialize(r))) })
}
const read = {
  record: j => ({
    commitment: {
      preconf: {
        eop: j.eop, block: small(j.block), time: small(j.time), gas: small(j.gas), coinbase: unhex(j.coinbase),
        anchor: small(j.anchor), list: unhex(j.list), parent: unhex(j.parent), end: small(j.end),
        prover: unhex(j.prover), proposal: small(j.proposal)
      },
      slasher: unhex(j.slasher)
    },
    signature: unhex(j.signature)
  }),
  list: j => ({ hash: unhex(j.hash), content: unhex(j.content) }),
  head: j => ({ block: small(j.block), end: small(j.end) }),
  page_request: j => ({ start: small(j.start), count: j.count }),
  page: j => ({ records: j.records.map(r => p.RecordType.deserialize(unhex(r))) })
}
const described = (kind, value, by) =>
  ({ kind, ...describe[kind](value, by), encoding: hex(types[kind].serialize(value)) })
function isTaken (kind, encoding) {
  try {
    types[kind].deserialize(encoding)
    return true
  } catch {
    return false
  }
}

// ---- ours to them ----------------------------------------------------------------------------------------------------

const maker = spawn(program, ['make', String(SEED), String(COUNT)], { stdio: ['ignore', 'pipe', 'inherit'] })
let same = 0
for await (const line of createInterface({ input: maker.stdout })) {
  const j = JSON.parse(line)
  const value = types[j.kind].deserialize(unhex(j.encoding))
  check(isDeepStrictEqual(value, read[j.kind](j)), `read as ${JSON.stringify(described(j.kind, value, j))}\nours ${line}`)
  const made = described(j.kind, value, j)
  check(isDeepStrictEqual(made, j), `theirs ${JSON.stringify(made)}\nours   ${line}`)
  ++same
}
check(maker.exitCode === 0 || (await once(maker, 'close'))[0] === 0, 'the program that makes records failed')
check(same >= 4 * COUNT, `only ${same} lines came`)
console.log(`records: ${same} of muster's encodings, hashes and signatures are those of npm's libraries`)

// ---- theirs to us, and altered ones -----------------------------------------------------------------------------------

const checker = spawn(program, ['check'], { stdio: ['pipe', 'pipe', 'inherit'] })
let said = ''
checker.stdout.on('data', d => { said += d })
const ended = once(checker, 'close')
const told = { same: 0, taken: 0, refused: 0 }
async function write (j) {
  if (!checker.stdin.write(JSON.stringify(j) + '\n') && checker.exitCode === null) {
    await Promise.race([once(checker.stdin, 'drain').catch(() => {}), ended])
  }
}
checker.stdin.on('error', () => {})  // it has ended: what it said tells why
async function tell (kind, value, by) {
  await write(described(kind, value, by))
  ++told.same
  // One byte of it altered, some less, some more; and what the library thinks of that.
  const whole = types[kind].serialize(value)
  const altered = Uint8Array.from(whole)
  const at = below(4) === 0 ? 0 : below(whole.length)
  altered[at] = below(2) === 0 ? below(4) : below(256)
  for (const encoding of [altered, whole.subarray(0, below(whole.length)), p.joined(whole, some(1 + below(4)))]) {
    if (encoding.length > 200_000) continue
    const taken = isTaken(kind, encoding)
    await write({ kind, taken, encoding: hex(encoding) })
    ++told[taken ? 'taken' : 'refused']
  }
}
const records = []
for (let i = 0; i < COUNT; ++i) {
  const by = { secret: hex(some(32)), domain: hex(some(32)) }
  const commitment = {
    preconf: {
      eop: below(2) === 0, block: number(), time: number(), gas: number(), coinbase: fixed(20), anchor: number(),
      list: fixed(32), parent: fixed(32), end: number(), prover: fixed(20), proposal: number()
    },
    slasher: fixed(20)
  }
  records.push(p.signed(commitment, unhex(by.secret), unhex(by.domain)))
  await tell('record', records.at(-1), by)
  await tell('head', { block: number(), end: number() })
  await tell('page_request', { start: number(), count: below(2 ** 32) })
  const content = some(i === 0 ? 2 ** 21 : below(i % 2 === 0 ? 3 : 600))
  await tell('list', { hash: below(2) === 0 ? p.keccak(content) : fixed(32), content })
  if (i % 100 === 99) await tell('page', { records: records.slice(records.length - below(257)) })
}
// One byte and one record more than there may be.
await write({ kind: 'page', taken: false, encoding: '04000000' + hex(p.RecordType.serialize(records[0])).repeat(257) })
await write({ kind: 'list', taken: false, encoding: hex(p.joined(p.ListType.serialize({ hash: fixed(32), content: new Uint8Array(2 ** 21) }), some(1))) })
told.refused += 2
checker.stdin.end()
const [code] = await ended
check(code === 0, said)
check(said.trim() === `same ${told.same} taken ${told.taken} refused ${told.refused}`, said)
check(told.refused > COUNT && told.taken > COUNT, said)
console.log(`records: ${told.same} of theirs are ours, and of ${told.taken + told.refused} altered ones both take the same ${told.taken}`)
