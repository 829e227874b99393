package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// serveAgent is an SSH agent with one new Ed25519 key, since litewitness takes its key from one. It says which, and serves until it is ended.
func serveAgent(socket string) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		stop("the key", err)
	}
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		stop("the key", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		stop("the key", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		stop(socket, err)
	}
	fmt.Printf("%s %x\n", ssh.FingerprintSHA256(key), []byte(public))
	for {
		asking, err := listener.Accept()
		if err != nil {
			stop(socket, err)
		}
		go agent.ServeAgent(keyring, asking)
	}
}
