// SPDX-License-Identifier: MIT

// Records what Go's libraries say, as vectors: handshakes of flynn/noise, which go-libp2p uses, and sessions of
// hashicorp/yamux, of which go-libp2p's muxer is a fork. With Debian's packages golang-go, golang-github-flynn-noise-dev
// and golang-github-hashicorp-yamux-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run tests/vectors/go/main.go > tests/vectors/go.txt
//
// Noise comes out the same each time; yamux may divide and order its frames in another way.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/flynn/noise"
	"github.com/hashicorp/yamux"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func digits(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

func list(all [][]byte) string {
	var out []string
	for _, b := range all {
		out = append(out, digits(b))
	}
	return strings.Join(out, " ")
}

func random(source *rand.Rand, size int) []byte {
	out := make([]byte, size)
	source.Read(out)
	return out
}

// ---- Noise ---------------------------------------------------------------------------------------------------------

// A handshake XX with payloads of these sizes, and messages of those sizes behind it, in turns, the dialer's first.
func handshake(seed int64, prologue []byte, payloads [3]int, sizes []int) {
	source := rand.New(rand.NewSource(seed))
	suite := noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)
	var keys []noise.DHKey
	for i := 0; i < 4; i++ {
		key, err := noise.DH25519.GenerateKeypair(source)
		must(err)
		keys = append(keys, key)
	}
	make := func(is_dialer bool, static, ephemeral noise.DHKey) *noise.HandshakeState {
		state, err := noise.NewHandshakeState(noise.Config{
			CipherSuite: suite, Pattern: noise.HandshakeXX, Initiator: is_dialer, Prologue: prologue, StaticKeypair: static,
			Random: bytes.NewReader(ephemeral.Private), // it is drawn when its message is written
		})
		must(err)
		return state
	}
	dialer, listener := make(true, keys[0], keys[1]), make(false, keys[2], keys[3])
	var said, messages, plain, sealed [][]byte
	var ours, theirs [2]*noise.CipherState
	for i := 0; i < 3; i++ {
		from, to := dialer, listener
		if i == 1 {
			from, to = listener, dialer
		}
		payload := random(source, payloads[i])
		message, a, b, err := from.WriteMessage(nil, payload)
		must(err)
		read, c, d, err := to.ReadMessage(nil, message)
		must(err)
		if !bytes.Equal(read, payload) {
			panic("read otherwise")
		}
		said, messages = append(said, payload), append(messages, message)
		ours, theirs = [2]*noise.CipherState{a, b}, [2]*noise.CipherState{c, d}
	}
	for i, size := range sizes {
		content := random(source, size)
		var out []byte
		var err error
		if i%2 == 0 {
			out, err = ours[0].Encrypt(nil, nil, content)
		} else {
			out, err = theirs[1].Encrypt(nil, nil, content)
		}
		must(err)
		plain, sealed = append(plain, content), append(sealed, out)
	}
	fmt.Printf("case noise-xx\n  prologue %s\n  dialer-static %s\n  dialer-ephemeral %s\n  listener-static %s\n  listener-ephemeral %s\n"+
		"  payloads %s\n  messages %s\n  hash %s\n  plain %s\n  sealed %s\n\n",
		digits(prologue), digits(keys[0].Private), digits(keys[1].Private), digits(keys[2].Private),
		digits(keys[3].Private), list(said), list(messages), digits(dialer.ChannelBinding()), list(plain), list(sealed))
}

// ---- yamux ---------------------------------------------------------------------------------------------------------

// A connection that keeps what is written to it.
type recorder struct {
	net.Conn
	mutex sync.Mutex
	said  []byte
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mutex.Lock()
	r.said = append(r.said, b...)
	r.mutex.Unlock()
	return r.Conn.Write(b)
}

// Byte number i of each direction of a stream.
func pattern(i int) byte { return byte(i % 251) }

func content(size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = pattern(i)
	}
	return out
}

// The headers of what was said; what is between them is as the pattern says.
func headers(said []byte) string {
	var out []string
	at := map[uint32]int{}
	for len(said) > 0 {
		out = append(out, hex.EncodeToString(said[:12]))
		kind, stream, length := said[1], binary.BigEndian.Uint32(said[4:]), int(binary.BigEndian.Uint32(said[8:]))
		said = said[12:]
		if kind != 0 {
			continue
		}
		for i := 0; i < length; i++ {
			if said[i] != pattern(at[stream]+i) {
				panic("not the pattern")
			}
		}
		at[stream] += length
		said = said[length:]
	}
	return strings.Join(out, " ")
}

// The client opens a stream after the other for each size, says so much, and is said the same; then both close. Here
// who has closed reads no more, so it is the last that a side says.
func session(sizes []int) {
	left, right := net.Pipe()
	config := yamux.DefaultConfig()
	config.EnableKeepAlive = false
	config.LogOutput = io.Discard
	a, b := &recorder{Conn: left}, &recorder{Conn: right}
	client, err := yamux.Client(a, config)
	must(err)
	server, err := yamux.Server(b, config)
	must(err)
	go func() {
		for _, size := range sizes {
			stream, err := server.AcceptStream()
			must(err)
			all := make([]byte, size)
			_, err = io.ReadFull(stream, all)
			must(err)
			_, err = stream.Write(all)
			must(err)
			must(stream.Close())
		}
	}()
	for _, size := range sizes {
		stream, err := client.OpenStream()
		must(err)
		_, err = stream.Write(content(size))
		must(err)
		back := make([]byte, size)
		_, err = io.ReadFull(stream, back)
		must(err)
		must(stream.Close())
		if !bytes.Equal(back, content(size)) {
			panic("comes back otherwise")
		}
	}
	_, err = client.Ping()
	must(err)
	_, err = server.Ping()
	must(err)
	must(client.GoAway())
	must(server.GoAway())
	time.Sleep(100 * time.Millisecond) // what was said is on its way
	a.mutex.Lock()
	b.mutex.Lock()
	var words []string
	for _, size := range sizes {
		words = append(words, fmt.Sprint(size))
	}
	fmt.Printf("case yamux\n  sizes %s\n  client %s\n  server %s\n\n", strings.Join(words, " "), headers(a.said), headers(b.said))
}

func main() {
	fmt.Println("# Handshakes of flynn/noise 1.0.0 and sessions of hashicorp/yamux, as Debian 12 has them, recorded by go/main.go.")
	fmt.Println("# Of yamux the headers of all frames are here: byte number i of each direction of a stream is i mod 251. See")
	fmt.Println("# bip327.txt for the layout.")
	fmt.Println()
	handshake(1, nil, [3]int{0, 104, 104}, []int{0, 1, 12, 300, 1000, 17})
	handshake(2, nil, [3]int{0, 0, 0}, []int{1, 1})
	handshake(3, []byte("libp2p"), [3]int{0, 300, 1}, []int{64, 64, 64, 64, 64, 64, 64, 64})
	handshake(4, nil, [3]int{17, 500, 500}, []int{2000, 2000, 0, 0})
	session([]int{1, 0, 1000})
	session([]int{300_000, 10, 1_000_000})
	session([]int{262_144, 262_145})
}
