// Noise_IK_25519_ChaChaPoly_BLAKE2b and Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b, as the Noise
// Protocol Framework (revision 34) writes them. The names of its sections stand next to the
// functions.
//
//     IK:  <- s                      IKpsk2:  <- s
//          ...                                ...
//          -> e, es, s, ss                    -> e, es, s, ss
//          <- e, ee, se                       <- e, ee, se, psk
//
// A handshake is a value: copying it before a message that may fail, and keeping the copy if it
// does, is how a failed message changes nothing. Ephemeral secrets are handed in, so nothing here
// draws randomness. Views are used within the call only.
//
// Every object here that holds a secret wipes it on destruction, and so does every function with
// its own copies: what is left of a handshake is its hash and what the caller took out of it.
#pragma once

#include <optional>

#include "crypto/provider.h"

namespace weft::noise {

inline constexpr std::size_t kHashBytes = 64;
inline constexpr std::size_t kDhBytes = 32;
// What the messages are longer than their payloads.
inline constexpr std::size_t kFirstOverhead = kDhBytes + (kDhBytes + kTagBytes) + kTagBytes;
inline constexpr std::size_t kSecondOverhead = kDhBytes + kTagBytes;

using Hash = ByteArray<kHashBytes>;
using Psk = ByteArray<32>;

enum class Pattern : std::uint8_t { kIk, kIkPsk2 };

// Keys of the two directions once a handshake is complete (section 5.2, Split), as seen by whoever
// holds them.
struct TransportKeys {
  CipherKey send{};
  CipherKey receive{};
  ~TransportKeys() {
    wipe(send);
    wipe(receive);
  }
};

// HKDF of section 4.3: up to three outputs.
struct Derived {
  Hash first{};
  Hash second{};
  Hash third{};
  ~Derived() {
    wipe(first);
    wipe(second);
    wipe(third);
  }
};
Derived hkdf2(const CryptoProvider& provider, const Hash& chaining_key, ByteView input);
Derived hkdf3(const CryptoProvider& provider, const Hash& chaining_key, ByteView input);

// Section 5.2: the chaining key, the handshake hash and the cipher of a handshake.
class SymmetricState {
 public:
  SymmetricState() = default;
  explicit SymmetricState(Pattern pattern);
  SymmetricState(const SymmetricState&) = default;
  SymmetricState& operator=(const SymmetricState&) = default;
  ~SymmetricState() {
    wipe(chaining_key_);
    wipe(key_);
  }

  void mix_hash(const CryptoProvider& provider, ByteView data);
  void mix_key(const CryptoProvider& provider, ByteView input);
  void mix_key_and_hash(const CryptoProvider& provider, ByteView input);
  // `out` has room for plain.size() + kTagBytes and may start where `plain` does.
  void encrypt_and_hash(const CryptoProvider& provider, ByteView plain, MutableBytes out);
  // `out` has room for sealed.size() - kTagBytes and must not overlap `sealed`. False if the tag is
  // wrong; the state is then worthless.
  bool decrypt_and_hash(const CryptoProvider& provider, ByteView sealed, MutableBytes out);
  // As the initiator uses them.
  TransportKeys split(const CryptoProvider& provider) const;
  const Hash& hash() const { return hash_; }

 private:
  Hash chaining_key_{};
  Hash hash_{};
  CipherKey key_{};
  std::uint64_t nonce_ = 0;
};

// The side that knows the other's static key and speaks first.
class Initiator {
 public:
  Initiator() = default;
  Initiator(const CryptoProvider& provider, Pattern pattern, ByteView prologue,
            const DhKey& remote_static);
  Initiator(const Initiator&) = default;
  Initiator& operator=(const Initiator&) = default;
  ~Initiator() { wipe(ephemeral_secret_); }

  struct First {
    const DhKey& remote_static;     // as given to the constructor
    const DhKey& static_public;     // our own
    const DhKey& static_shared;     // DH of our static secret with remote_static
    const DhKey& ephemeral_secret;  // fresh, never used twice
  };
  // Writes message 1 (payload.size() + kFirstOverhead bytes of room). False for a low-order key.
  bool write_first(const CryptoProvider& provider, const First& keys, ByteView payload,
                   MutableBytes out);
  // Reads message 2; the payload goes to `out` (message.size() - kSecondOverhead bytes of room).
  // `psk` is used by kIkPsk2 alone. nullopt if the message is not genuine.
  std::optional<TransportKeys> read_second(const CryptoProvider& provider,
                                           const DhKey& static_secret, const Psk& psk,
                                           ByteView message, MutableBytes out);
  // h of the spec: after read_second it is the handshake hash (section 11.2).
  const Hash& hash() const { return state_.hash(); }

 private:
  SymmetricState state_;
  DhKey ephemeral_secret_{};
  Pattern pattern_ = Pattern::kIk;
};

// The side that learns who speaks.
class Responder {
 public:
  Responder() = default;
  Responder(const CryptoProvider& provider, Pattern pattern, ByteView prologue,
            const DhKey& static_public);

  // Reads message 1; the payload goes to `out` (message.size() - kFirstOverhead bytes of room).
  // Returns the sender's static key, nullopt if the message is not genuine. Section 7.7: this payload
  // may be a replay.
  std::optional<DhKey> read_first(const CryptoProvider& provider, const DhKey& static_secret,
                                  ByteView message, MutableBytes out);
  // Writes message 2 (payload.size() + kSecondOverhead bytes of room). nullopt for a low-order key.
  std::optional<TransportKeys> write_second(const CryptoProvider& provider,
                                            const DhKey& ephemeral_secret, const Psk& psk,
                                            ByteView payload, MutableBytes out);
  const Hash& hash() const { return state_.hash(); }

 private:
  SymmetricState state_;
  DhKey remote_static_{};
  DhKey remote_ephemeral_{};
  Pattern pattern_ = Pattern::kIk;
};

}  // namespace weft::noise
