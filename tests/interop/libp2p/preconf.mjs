// SPDX-License-Identifier: MIT

// The preconfirmation protocol out of npm's libraries: SSZ of Lodestar, Keccak-256 and secp256k1 of noble. Nothing here
// was taken from muster: the fields and their order are those of the specification (taiko-mono,
// packages/preconfirmation-p2p/docs/specification.md).

import { BooleanType, ByteListType, ByteVectorType, ContainerType, ListCompositeType, UintBigintType, UintNumberType } from '@chainsafe/ssz'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { keccak_256 } from '@noble/hashes/sha3.js'

export const hex = b => Buffer.from(b).toString('hex')
export const unhex = s => new Uint8Array(Buffer.from(s, 'hex'))
export const joined = (...parts) => new Uint8Array(Buffer.concat(parts.map(part => Buffer.from(part))))
export const keccak = b => keccak_256(b)

const U256 = new UintBigintType(32)
const B20 = new ByteVectorType(20)
const B32 = new ByteVectorType(32)
export const PreconfirmationType = new ContainerType({
  eop: new BooleanType(), block: U256, time: U256, gas: U256, coinbase: B20, anchor: U256, list: B32, parent: B32,
  end: U256, prover: B20, proposal: U256
})
export const CommitmentType = new ContainerType({ preconf: PreconfirmationType, slasher: B20 })
export const RecordType = new ContainerType({ commitment: CommitmentType, signature: new ByteVectorType(65) })
export const ListType = new ContainerType({ hash: B32, content: new ByteListType(2 ** 21) })
export const HeadType = new ContainerType({ block: U256, end: U256 })
export const PageRequestType = new ContainerType({ start: U256, count: new UintNumberType(4) })
export const PageType = new ContainerType({ records: new ListCompositeType(RecordType, 256) })
export const ListRequestType = new ContainerType({ hash: B32 })
// A container of a list that is always empty. The library has none with a limit of 0; the encoding is the same.
export const HeadRequestType = new ContainerType({ reserved: new ByteListType(1) })

export const DOMAIN = Buffer.from('TAIKO_PRECONF_DOMAIN_PLACEHOLDER')
export const hashOf = preconf => keccak(PreconfirmationType.serialize(preconf))
export const digestOf = (commitment, domain = DOMAIN) => keccak(joined(domain, CommitmentType.serialize(commitment)))
const addressOf = point => keccak(point.toBytes(false).subarray(1)).subarray(12)
export const addressOfKey = secret => addressOf(secp256k1.Point.fromBytes(secp256k1.getPublicKey(secret)))

// r, s and the recovery id, which noble has in front.
export function signatureOf (digest, secret) {
  const s = secp256k1.sign(digest, secret, { prehash: false, format: 'recovered' })
  return joined(s.subarray(1), s.subarray(0, 1))
}
export function signerOf (record, domain = DOMAIN) {
  const { signature, commitment } = record
  const raw = joined(signature.subarray(64), signature.subarray(0, 64))
  return addressOf(secp256k1.Signature.fromBytes(raw, 'recovered').recoverPublicKey(digestOf(commitment, domain)))
}
export const signed = (commitment, secret, domain = DOMAIN) =>
  ({ commitment, signature: signatureOf(digestOf(commitment, domain), secret) })

// What gossip names a message by.
export const messageId = data => sha256(joined(new Uint8Array(4), data)).subarray(0, 20)
