// SPDX-License-Identifier: MIT

// A program of ours, driven by lines.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export function check (holds, what) {
  if (!holds) throw new Error(what)
}

// Whatever happens, within so many seconds.
export function within (promise, what, seconds = 10) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`too late: ${what}`)), 1000 * seconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export class Ours {
  lines = []
  waiting = []
  constructor (program, words = []) {
    this.process = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.over = new Promise(resolve => this.process.on('close', resolve))
    createInterface({ input: this.process.stdout }).on('line', line => {
      this.lines.push(line)
      this.waiting = this.waiting.filter(f => !f())
    })
  }
  say (line) { this.process.stdin.write(line + '\n') }
  // The first line that fits, of those not taken yet.
  line (pattern, seconds = 10) {
    return within(new Promise(resolve => {
      const look = () => {
        const at = this.lines.findIndex(l => pattern.test(l))
        if (at < 0) return false
        resolve(this.lines.splice(at, 1)[0].match(pattern))
        return true
      }
      if (!look()) this.waiting.push(look)
    }), `${pattern} among ${JSON.stringify(this.lines)}`, seconds)
  }
  end () { this.say('quit') }
}

export const until = async (holds, what, seconds = 10) => {
  for (let i = 0; i < 100 * seconds; ++i) {
    if (holds()) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`never: ${what}`)
}
