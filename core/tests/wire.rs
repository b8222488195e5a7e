//! The wire format: laws, exact lengths, and a refusal for every kind of wrong bytes.
#![allow(clippy::unwrap_used, missing_docs)]

use ckks_core::*;

struct Samples {
    params: Params,
    other: Params,
    secret: SecretKey,
    public: PublicKey,
    relinearization: CompressedRelinearizationKey,
    galois: CompressedGaloisKey,
    seeded: SeededCiphertext,
    ciphertext: Ciphertext,
    result: ResultCiphertexts,
}

fn params(levels: usize) -> Params {
    let scale = f64::from(1 << 28);
    Params::insecure(&ParamsSpec::generate(6, &[30], &vec![vec![28]; levels], &[30, 30], 2, scale).unwrap())
        .unwrap()
}

fn samples() -> Samples {
    let params = params(3);
    let mut seeds = SeedSource::new(&Seed::new([2; 32]));
    let secret = SecretKey::generate(&params, &seeds.next_seed());
    let encoder = Encoder::new(&params);
    let top = params.max_level();
    let mut encrypt = |level: Level| {
        let plaintext = encoder.encode_real(&[1.5, -0.25], level, params.scale_at(level)).unwrap();
        encrypt_symmetric(&params, &secret, &plaintext, &mut seeds).unwrap()
    };
    let (seeded, ciphertext, low) = (encrypt(top), encrypt(Level(1)), encrypt(Level(0)));
    let low = low.expand(&params).unwrap();
    let element = GaloisElement::rotation(&params, 3);
    Samples {
        public: PublicKey::generate(&params, &secret, &mut seeds).unwrap(),
        relinearization: CompressedRelinearizationKey::generate(&params, &secret, Level(2), &mut seeds)
            .unwrap(),
        galois: CompressedGaloisKey::generate(&params, &secret, element, Level(1), &mut seeds).unwrap(),
        result: ResultCiphertexts::new(&params, &[low.clone(), low], 8).unwrap(),
        other: self::params(2),
        ciphertext: ciphertext.expand(&params).unwrap(),
        seeded,
        secret,
        params,
    }
}

type Decoder = fn(&Params, &[u8]) -> Result<Vec<u8>, DecodeError>;

/// Each kind: its bytes, and a decoder that encodes again.
fn kinds(s: &Samples) -> Vec<(&'static str, Vec<u8>, Decoder)> {
    let p = &s.params;
    vec![
        ("secret", s.secret.to_bytes().to_vec(), |p, b| Ok(SecretKey::from_bytes(p, b)?.to_bytes().to_vec())),
        ("public", s.public.to_bytes(p).unwrap(), |p, b| {
            Ok(PublicKey::from_bytes(p, b)?.to_bytes(p).unwrap())
        }),
        ("relinearization", s.relinearization.to_bytes(p).unwrap(), |p, b| {
            Ok(CompressedRelinearizationKey::from_bytes(p, b)?.to_bytes(p).unwrap())
        }),
        ("galois", s.galois.to_bytes(p).unwrap(), |p, b| {
            Ok(CompressedGaloisKey::from_bytes(p, b)?.to_bytes(p).unwrap())
        }),
        ("seeded", s.seeded.to_bytes(p).unwrap(), |p, b| {
            Ok(SeededCiphertext::from_bytes(p, b)?.to_bytes(p).unwrap())
        }),
        ("ciphertext", s.ciphertext.to_bytes(p).unwrap(), |p, b| {
            Ok(Ciphertext::from_bytes(p, b)?.to_bytes(p).unwrap())
        }),
        ("result", s.result.to_bytes(p).unwrap(), |p, b| {
            Ok(ResultCiphertexts::from_bytes(p, b)?.to_bytes(p).unwrap())
        }),
    ]
}

#[test]
fn decoding_and_encoding_again_gives_the_same_bytes() {
    let s = samples();
    for (name, bytes, decode) in kinds(&s) {
        assert_eq!(decode(&s.params, &bytes).unwrap(), bytes, "{name}");
    }
    assert_eq!(
        SeededCiphertext::from_bytes(&s.params, &s.seeded.to_bytes(&s.params).unwrap()).unwrap(),
        s.seeded
    );
    assert_eq!(
        Ciphertext::from_bytes(&s.params, &s.ciphertext.to_bytes(&s.params).unwrap()).unwrap(),
        s.ciphertext
    );
    assert_eq!(
        ResultCiphertexts::from_bytes(&s.params, &s.result.to_bytes(&s.params).unwrap()).unwrap(),
        s.result
    );
    assert_eq!(ParamsSpec::from_bytes(&s.params.spec().to_bytes()).unwrap(), *s.params.spec());
}

#[test]
fn lengths_are_known_without_encoding() {
    let s = samples();
    let p = &s.params;
    // N = 64: limbs of 30, 28 or 29 bits take 240, 224 or 232 bytes.
    let bits: Vec<usize> =
        p.spec().levels.iter().flatten().map(|q| 32 - q.leading_zeros() as usize).collect();
    let main = |limbs: usize| bits[..limbs].iter().map(|b| 8 * b).sum::<usize>();
    assert_eq!(s.seeded.to_bytes(p).unwrap().len(), 84 + main(4));
    assert_eq!(s.seeded.to_bytes(p).unwrap().len(), SeededCiphertext::encoded_len(p, Level(3)));
    assert_eq!(s.ciphertext.to_bytes(p).unwrap().len(), 52 + 2 * main(2));
    assert_eq!(s.ciphertext.to_bytes(p).unwrap().len(), Ciphertext::encoded_len(p, Level(1)));
    assert_eq!(s.galois.to_bytes(p).unwrap().len(), 84 + main(2) + 2 * 240);
    assert_eq!(s.galois.to_bytes(p).unwrap().len(), CompressedGaloisKey::encoded_len(p, Level(1)));
    assert_eq!(s.relinearization.to_bytes(p).unwrap().len(), 84 + 2 * (main(3) + 2 * 240));
    assert_eq!(
        s.relinearization.to_bytes(p).unwrap().len(),
        CompressedRelinearizationKey::encoded_len(p, Level(2))
    );
    assert_eq!(s.result.to_bytes(p).unwrap().len(), 52 + 4 * 8 * (30 - 8));
    assert_eq!(s.result.to_bytes(p).unwrap().len(), ResultCiphertexts::encoded_len(p, Level(0), 8, 2));
    assert_eq!(s.public.to_bytes(p).unwrap().len(), PublicKey::encoded_len(p));
    assert_eq!(s.secret.to_bytes().len(), SecretKey::ENCODED_LEN);
}

#[test]
fn truncated_and_extended_bytes_are_refused_at_every_length() {
    let s = samples();
    for (name, bytes, decode) in kinds(&s) {
        for length in 0..bytes.len() {
            assert!(decode(&s.params, &bytes[..length]).is_err(), "{name} {length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let expected = DecodeError::WrongLength { expected: bytes.len(), found: bytes.len() + 1 };
        assert_eq!(decode(&s.params, &longer), Err(expected), "{name}");
    }
    let spec = s.params.spec().to_bytes();
    for length in 0..spec.len() {
        assert!(ParamsSpec::from_bytes(&spec[..length]).is_err());
    }
}

#[test]
fn no_flipped_bit_panics_and_what_decodes_is_canonical() {
    let s = samples();
    for (name, bytes, decode) in kinds(&s) {
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(again) = decode(&s.params, &flipped) {
                assert_eq!(again, flipped, "{name}, bit {bit}");
            }
        }
    }
    let spec = s.params.spec().to_bytes();
    for bit in 0..8 * spec.len() {
        let mut flipped = spec.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(decoded) = ParamsSpec::from_bytes(&flipped) {
            assert_eq!(decoded.to_bytes(), flipped);
            let _ = Params::insecure(&decoded);
        }
    }
}

#[test]
fn each_header_field_has_its_own_refusal() {
    let s = samples();
    let p = &s.params;
    let seeded = s.seeded.to_bytes(p).unwrap();
    let with = |offset: usize, patch: &[u8]| {
        let mut bytes = seeded.clone();
        bytes[offset..offset + patch.len()].copy_from_slice(patch);
        SeededCiphertext::from_bytes(p, &bytes).unwrap_err()
    };
    assert_eq!(with(0, b"PKZ0"), DecodeError::WrongMagic { found: *b"PKZ0" });
    assert_eq!(with(4, &[9]), DecodeError::UnsupportedVersion { expected: 2, found: 9 });
    assert_eq!(with(5, &[5]), DecodeError::WrongKind { expected: Kind::SeededCiphertext, found: 5 });
    assert_eq!(with(5, &[99]), DecodeError::WrongKind { expected: Kind::SeededCiphertext, found: 99 });
    assert_eq!(with(6, &[4]), DecodeError::LevelOutOfRange { max: Level(3), found: Level(4) });
    assert_eq!(with(7, &[1]), DecodeError::ReservedNotZero { offset: 7 });
    assert_eq!(with(8, &[1]), DecodeError::ReservedNotZero { offset: 8 });
    for scale in [f64::NAN, f64::INFINITY, -1.0, 0.0, 5e-324] {
        assert_eq!(with(12, &scale.to_le_bytes()), DecodeError::InvalidScale { found: scale.to_bits() });
    }
    let foreign = with(20, &s.other.id().0);
    assert_eq!(foreign, DecodeError::ParamsMismatch { expected: p.id(), found: s.other.id() });
    // A lower level is fine as such and makes the bytes too many.
    assert!(matches!(with(6, &[2]), DecodeError::WrongLength { .. }));
}

#[test]
fn an_input_must_be_at_the_level_and_scale_that_are_asked_for() {
    let s = samples();
    let p = &s.params;
    let bytes = s.ciphertext.to_bytes(p).unwrap();
    assert!(Ciphertext::from_bytes_at(p, Level(1), &bytes).is_ok());
    assert_eq!(
        Ciphertext::from_bytes_at(p, Level(3), &bytes),
        Err(DecodeError::LevelMismatch { expected: Level(3), found: Level(1) })
    );
    let mut doubled = bytes;
    let scale = 2.0 * p.scale_at(Level(1)).value();
    doubled[12..20].copy_from_slice(&scale.to_le_bytes());
    let (expected, found) = (p.scale_at(Level(1)), Scale::new(scale).unwrap());
    assert_eq!(
        Ciphertext::from_bytes_at(p, Level(1), &doubled),
        Err(DecodeError::ScaleMismatch { expected, found })
    );
}

#[test]
fn a_residue_that_is_not_below_its_prime_is_refused_with_its_place() {
    let s = samples();
    let p = &s.params;
    // The first prime has 30 bits: all ones in residue 0 of limb 0 are above it.
    let mut bytes = s.seeded.to_bytes(p).unwrap();
    bytes[84..88].copy_from_slice(&[0xFF; 4]);
    assert_eq!(
        SeededCiphertext::from_bytes(p, &bytes),
        Err(DecodeError::ResidueOutOfRange { limb: 0, index: 0 })
    );
    let mut bytes = s.relinearization.to_bytes(p).unwrap();
    let end = bytes.len();
    bytes[end - 4..].fill(0xFF);
    assert_eq!(
        CompressedRelinearizationKey::from_bytes(p, &bytes),
        Err(DecodeError::ResidueOutOfRange { limb: 9, index: 63 })
    );
}

#[test]
fn transparent_ciphertexts_and_even_or_trivial_galois_elements_are_refused() {
    let s = samples();
    let p = &s.params;
    let mut bytes = s.ciphertext.to_bytes(p).unwrap();
    let half = (bytes.len() - 52) / 2;
    bytes[52 + half..].fill(0);
    assert_eq!(Ciphertext::from_bytes(p, &bytes), Err(DecodeError::Transparent));
    for element in [0u32, 1, 2, 128, 129, u32::MAX] {
        let mut bytes = s.galois.to_bytes(p).unwrap();
        bytes[8..12].copy_from_slice(&element.to_le_bytes());
        assert_eq!(
            CompressedGaloisKey::from_bytes(p, &bytes),
            Err(DecodeError::InvalidGaloisElement { found: element })
        );
    }
}

#[test]
fn results_with_no_or_too_many_ciphertexts_or_dropped_bits_are_refused_before_allocation() {
    let s = samples();
    let p = &s.params;
    let bytes = s.result.to_bytes(p).unwrap();
    for count in [0, 4097, u32::MAX] {
        let mut bytes = bytes.clone();
        bytes[8..12].copy_from_slice(&count.to_le_bytes());
        assert_eq!(
            ResultCiphertexts::from_bytes(p, &bytes),
            Err(DecodeError::InvalidCount { max: 4096, found: count })
        );
    }
    let mut bytes = bytes;
    bytes[7] = 29;
    assert_eq!(
        ResultCiphertexts::from_bytes(p, &bytes),
        Err(DecodeError::InvalidDroppedBits { max: 28, found: 29 })
    );
}

#[test]
fn encoding_for_other_parameters_is_refused() {
    let s = samples();
    let (expected, found) = (s.other.id(), s.params.id());
    for encoded in [
        s.public.to_bytes(&s.other),
        s.relinearization.to_bytes(&s.other),
        s.galois.to_bytes(&s.other),
        s.seeded.to_bytes(&s.other),
        s.ciphertext.to_bytes(&s.other),
        s.result.to_bytes(&s.other),
    ] {
        assert_eq!(encoded, Err(Error::ParamsMismatch { expected, found }));
    }
}

#[test]
fn bytes_tell_what_they_are() {
    let s = samples();
    assert_eq!(identify(&s.galois.to_bytes(&s.params).unwrap()), Ok(Some(Kind::GaloisKey)));
    assert_eq!(identify(&s.params.spec().to_bytes()), Ok(Some(Kind::Params)));
    assert_eq!(identify(b"{\"a\""), Err(DecodeError::WrongMagic { found: *b"{\"a\"" }));
    assert_eq!(identify(&[]), Err(DecodeError::WrongMagic { found: [0; 4] }));
}

#[test]
fn a_secret_key_comes_back_from_its_seed() {
    let s = samples();
    let again = SecretKey::from_bytes(&s.params, &s.secret.to_bytes()).unwrap();
    let ciphertext = s.seeded.expand(&s.params).unwrap();
    let (a, b) = (decrypt(&s.params, &s.secret, &ciphertext), decrypt(&s.params, &again, &ciphertext));
    assert_eq!(a.unwrap(), b.unwrap());
}
