//! Client side of encrypted inference: keys, encryption, decryption.
