// SPDX-License-Identifier: MIT

// [misuse-48] muster and @scure/btc-signer sign together: every mixture of the two in groups of 2 to 7, under plain,
// x-only and mixed tweaks, with keys sorted and not; shares are verified by whoever aggregates, and all end with the same signature.
// Usage: node drive.mjs CO_SIGNER [PART OF]: one part of the sessions, of so many

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { deepStrictEqual, strictEqual, ok } from 'node:assert';
import * as musig2 from '@scure/btc-signer/musig2.js';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));

// Draws that anyone can repeat: xorshift32.
let state = 0x6d757374;
const draw = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
};
const drawOctets = (size) => Uint8Array.from({ length: size }, () => draw() & 0xff);

/// A signer of muster's: a process of its own behind a pipe.
class Ours {
  constructor(program) {
    this.process = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = [];
    createInterface({ input: this.process.stdout }).on('line', (line) => this.waiting.shift().resolve(line));
    this.process.on('exit', (code) => this.waiting.forEach((w) => w.reject(new Error(`exited with ${code}`))));
  }
  async ask(...words) {
    this.process.stdin.write(words.join(' ') + '\n');
    const line = await new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
    const [status, ...answer] = line.split(' ');
    ok(status === 'ok', `${words[0]}: ${line}`);
    return answer;
  }
  async key(secret) {
    return bytes((await this.ask('key', hex(secret)))[0]);
  }
  async group({ message, tweaks, keys }) {
    const list = tweaks.map((t) => `${t.isXonly ? 'xonly' : 'plain'}:${hex(t.value)}`).join(',') || '-';
    return (await this.ask('group', hex(message) || '-', list, ...keys.map(hex)))[0];
  }
  async nonce() {
    return bytes((await this.ask('nonce'))[0]);
  }
  async sign(nonces) {
    const [sum, share] = await this.ask('nonces', ...nonces.map(hex));
    return { sum, share: bytes(share) };
  }
  async finish(shares) {
    return (await this.ask('shares', ...shares.map(hex)))[0];
  }
  async signLast(others) {
    const [nonce, share] = await this.ask('last', hex(others));
    return { nonce: bytes(nonce), share: bytes(share) };
  }
  end() {
    this.process.stdin.end();
  }
}

/// A signer of @scure/btc-signer, with the same verbs.
class Scure {
  async key(secret) {
    this.secret = secret;
    this.publicKey = musig2.IndividualPubkey(secret);
    return this.publicKey;
  }
  async group(terms) {
    this.values = terms.tweaks.map((t) => t.value);
    this.areXonly = terms.tweaks.map((t) => t.isXonly);
    this.terms = terms;
    this.context = musig2.keyAggregate(terms.keys, this.values, this.areXonly);
    return hex(this.context.aggPublicKey.toBytes(true));
  }
  async nonce() {
    const aggregate = musig2.keyAggExport(this.context);
    this.drawn = musig2.nonceGen(this.publicKey, this.secret, aggregate, this.terms.message);
    return this.drawn.public;
  }
  async sign(nonces) {
    const sum = musig2.nonceAggregate(nonces);
    this.nonces = nonces;
    this.session = new musig2.Session(sum, this.terms.keys, this.terms.message, this.values, this.areXonly);
    return { sum: hex(sum), share: this.session.sign(this.drawn.secret, this.secret, true) };  // others verify it
  }
  async finish(shares, isFirst) {
    // Every one of them would say the same, slowly: the first is asked.
    if (isFirst) shares.forEach((share, i) => ok(this.session.partialSigVerify(share, this.nonces, i), `share ${i}`));
    return hex(this.session.partialSigAgg(shares));
  }
  async signLast(others) {
    const { keys, message } = this.terms;
    const made = musig2.deterministicSign(this.secret, others, keys, message, this.values, this.areXonly);
    return { nonce: made.publicNonce, share: made.partialSig };
  }
}

const tweakPlans = [[], [false], [true], [false, true], [true, false, true]];
const drawTweaks = (plan) => plan.map((isXonly) => ({ isXonly, value: drawOctets(32).fill(0, 0, 1) }));

/// One session. With isLastStateless the last signer has no first round, and no second one to aggregate in.
async function session(signers, { plan, isSorted, isLastStateless }) {
  const secrets = signers.map(() => drawOctets(32).fill(1, 0, 1));
  const own = await Promise.all(signers.map((s, i) => s.key(secrets[i])));
  own.forEach((key, i) => deepStrictEqual(hex(key), hex(secp256k1.getPublicKey(secrets[i]))));
  const keys = isSorted ? musig2.sortKeys(own) : own;
  if (isSorted) {
    const ours = signers.find((s) => s instanceof Ours);
    if (ours) deepStrictEqual(await ours.ask('sort', ...own.map(hex)), keys.map(hex));
  }
  // Who sits where, now that the keys have their order.
  const seats = keys.map((key) => signers[own.findIndex((k) => hex(k) === hex(key))]);
  const message = drawOctets(draw() % 4 === 0 ? draw() % 70 : 32);
  const terms = { message, tweaks: drawTweaks(plan), keys };
  const aggregates = await Promise.all(seats.map((s) => s.group(terms)));
  aggregates.forEach((a) => strictEqual(a, aggregates[0]));

  const talking = isLastStateless ? seats.slice(0, -1) : seats;
  const nonces = await Promise.all(talking.map((s) => s.nonce()));
  const shares = [];
  if (isLastStateless) {
    const last = await seats.at(-1).signLast(musig2.nonceAggregate(nonces));
    nonces.push(last.nonce);
    shares[seats.length - 1] = last.share;
  }
  const made = await Promise.all(talking.map((s) => s.sign(nonces)));
  made.forEach((m, i) => {
    strictEqual(m.sum, made[0].sum);
    shares[i] = m.share;
  });
  const first = talking.find((s) => s instanceof Scure);
  const signatures = await Promise.all(talking.map((s) => s.finish(shares, s === first)));
  signatures.forEach((s) => strictEqual(s, signatures[0]));
  ok(schnorr.verify(bytes(signatures[0]), message, bytes(aggregates[0].slice(2))), 'BIP-340');
}

const [program, part, parts] = [process.argv[2], Number(process.argv[3] ?? 0), Number(process.argv[4] ?? 1)];
const pool = Array.from({ length: 7 }, () => new Ours(program));
let planned = 0;
let sessions = 0;
for (let n = 2; n <= 7; ++n) {
  for (let mixture = 0; mixture < 1 << n; ++mixture) {
    const signers = pool.slice(0, n).map((ours, i) => ((mixture >> i) & 1 ? new Scure() : ours));
    // Small groups meet every plan; each mixture of a large one meets one, and all plans meet all sizes.
    for (let variant = 0; variant < 20; ++variant) {
      if (n > 3 && variant !== mixture % 20) continue;
      if (planned++ % parts !== part) continue;
      const isSorted = variant % 2 === 0;
      const plan = tweakPlans[(variant >> 1) % 5];
      await session(signers, { plan, isSorted, isLastStateless: variant >= 10 });
      ++sessions;
    }
  }
}
pool.forEach((p) => p.end());
console.log(`${sessions} sessions: every share verified, every signature the same`);
