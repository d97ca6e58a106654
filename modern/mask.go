package modern

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// A Key masks the payload of one frame (RFC 6455 section 5.3).
type Key [4]byte

// NewKey returns a key from crypto/rand. For one frame after the other, KeySource
// cost less.
func NewKey() (key Key) {
	rand.Read(key[:])
	return key
}

// KeySource hands out masking keys: the key stream of AES-256 in counter mode, whose
// own key comes from crypto/rand, and no part of it twice. The zero value is ready;
// it must not be copied, nor used by two goroutines at once.
type KeySource struct {
	stream cipher.Stream
	batch  [512]byte
	left   int
}

// Next returns a fresh key.
func (k *KeySource) Next() (key Key) {
	if k.left == 0 {
		k.refill()
	}
	k.left -= len(key)
	copy(key[:], k.batch[k.left:])
	return key
}

func (k *KeySource) refill() {
	if k.stream == nil {
		k.seed()
	}
	clear(k.batch[:])
	k.stream.XORKeyStream(k.batch[:], k.batch[:])
	k.left = len(k.batch)
}

func (k *KeySource) seed() {
	var seed [32 + aes.BlockSize]byte
	rand.Read(seed[:])
	block, err := aes.NewCipher(seed[:32])
	if err != nil {
		panic("modern: internal error: " + err.Error()) // only for a key of a wrong size
	}
	k.stream = cipher.NewCTR(block, seed[32:])
}

// Mask writes src, masked with the key, to dst, which must be as long and may
// be src itself. Masking twice unmasks.
func Mask(dst, src []byte, key Key) {
	k := uint64(binary.LittleEndian.Uint32(key[:]))
	k |= k << 32
	dst = dst[:len(src)]
	for len(src) >= 32 && len(dst) >= 32 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
		binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:])^k)
		binary.LittleEndian.PutUint64(dst[16:], binary.LittleEndian.Uint64(src[16:])^k)
		binary.LittleEndian.PutUint64(dst[24:], binary.LittleEndian.Uint64(src[24:])^k)
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
		src, dst = src[8:], dst[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ byte(k)
		k >>= 8
	}
}

// rotate returns the key as it applies n bytes further into the payload.
func (k Key) rotate(n int) Key {
	return Key{k[n&3], k[(n+1)&3], k[(n+2)&3], k[(n+3)&3]}
}
