// SPDX-License-Identifier: MIT

// The functions of secp256k1-zkp's header of this name, as far as muster names them: other arguments, for adaptor
// signatures and scratch space. Declared only; nothing is linked with it.
#pragma once

#include <secp256k1_extrakeys.h>

extern "C" {
struct secp256k1_musig_keyagg_cache {
    unsigned char data[197];
};
struct secp256k1_musig_secnonce {
    unsigned char data[132];
};
struct secp256k1_musig_pubnonce {
    unsigned char data[132];
};
struct secp256k1_musig_aggnonce {
    unsigned char data[132];
};
struct secp256k1_musig_session {
    unsigned char data[133];
};
struct secp256k1_musig_partial_sig {
    unsigned char data[36];
};

int secp256k1_musig_pubnonce_parse(secp256k1_context const*, secp256k1_musig_pubnonce*, unsigned char const*);
int secp256k1_musig_pubnonce_serialize(secp256k1_context const*, unsigned char*, secp256k1_musig_pubnonce const*);
int secp256k1_musig_aggnonce_parse(secp256k1_context const*, secp256k1_musig_aggnonce*, unsigned char const*);
int secp256k1_musig_aggnonce_serialize(secp256k1_context const*, unsigned char*, secp256k1_musig_aggnonce const*);
int secp256k1_musig_partial_sig_parse(secp256k1_context const*, secp256k1_musig_partial_sig*, unsigned char const*);
int secp256k1_musig_partial_sig_serialize(secp256k1_context const*, unsigned char*, secp256k1_musig_partial_sig const*);
int secp256k1_musig_pubkey_agg(secp256k1_context const*, void*, secp256k1_xonly_pubkey*, secp256k1_musig_keyagg_cache*,
                               secp256k1_pubkey const* const*, std::size_t);
int secp256k1_musig_pubkey_get(secp256k1_context const*, secp256k1_pubkey*, secp256k1_musig_keyagg_cache const*);
int secp256k1_musig_pubkey_ec_tweak_add(secp256k1_context const*, secp256k1_pubkey*, secp256k1_musig_keyagg_cache*,
                                        unsigned char const*);
int secp256k1_musig_pubkey_xonly_tweak_add(secp256k1_context const*, secp256k1_pubkey*, secp256k1_musig_keyagg_cache*,
                                           unsigned char const*);
int secp256k1_musig_nonce_gen(secp256k1_context const*, secp256k1_musig_secnonce*, secp256k1_musig_pubnonce*,
                              unsigned char const*, unsigned char const*, secp256k1_pubkey const*, unsigned char const*,
                              secp256k1_musig_keyagg_cache const*, unsigned char const*);
int secp256k1_musig_nonce_agg(secp256k1_context const*, secp256k1_musig_aggnonce*,
                              secp256k1_musig_pubnonce const* const*, std::size_t);
int secp256k1_musig_nonce_process(secp256k1_context const*, secp256k1_musig_session*, secp256k1_musig_aggnonce const*,
                                  unsigned char const*, secp256k1_musig_keyagg_cache const*, secp256k1_pubkey const*);
int secp256k1_musig_partial_sign(secp256k1_context const*, secp256k1_musig_partial_sig*, secp256k1_musig_secnonce*,
                                 secp256k1_keypair const*, secp256k1_musig_keyagg_cache const*,
                                 secp256k1_musig_session const*);
int secp256k1_musig_partial_sig_verify(secp256k1_context const*, secp256k1_musig_partial_sig const*,
                                       secp256k1_musig_pubnonce const*, secp256k1_pubkey const*,
                                       secp256k1_musig_keyagg_cache const*, secp256k1_musig_session const*);
int secp256k1_musig_partial_sig_agg(secp256k1_context const*, unsigned char*, secp256k1_musig_session const*,
                                    secp256k1_musig_partial_sig const* const*, std::size_t);
}
