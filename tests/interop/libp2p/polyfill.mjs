// SPDX-License-Identifier: MIT

// js-libp2p wants this of node 22.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
