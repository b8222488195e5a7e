//! `refusals.json`.

use ckks_core::{
    Backend, Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, DecodeError, GaloisElement,
    Level, ParamsSpec, PublicKey, ResultCiphertexts, SecretKey, SeededCiphertext,
};

use crate::{
    file::{File, Vector, hex},
    world::{World, composite, small, stream},
};

/// Where things are in a header.
const VERSION: usize = 4;
const KIND: usize = 5;
const LEVEL: usize = 6;
const DROPPED_BITS: usize = 7;
const ARGUMENT: usize = 8;
const SCALE: usize = 12;
const PARAMS_ID: usize = 20;
const HEADER: usize = 52;

/// What bytes are read as.
#[derive(Clone, Copy)]
enum As {
    Params,
    Secret,
    Public,
    Relinearization,
    Galois,
    Seeded,
    Whole,
    Result,
}

impl As {
    fn name(self) -> &'static str {
        match self {
            Self::Params => "parameters",
            Self::Secret => "secret key",
            Self::Public => "public key",
            Self::Relinearization => "relinearization key",
            Self::Galois => "galois key",
            Self::Seeded => "seeded ciphertext",
            Self::Whole => "ciphertext",
            Self::Result => "result",
        }
    }

    /// Right bytes.
    fn right(self, world: &World) -> Vec<u8> {
        let params = &world.params;
        let values = world.values(0.6);
        match self {
            Self::Params => params.spec().to_bytes(),
            Self::Secret => world.secret.to_bytes().to_vec(),
            Self::Public => {
                PublicKey::generate(params, &world.secret, &mut stream()).unwrap().to_bytes(params).unwrap()
            }
            Self::Relinearization => world.relinearization_key(Level(0)).to_bytes(params).unwrap(),
            Self::Galois => {
                world.galois_key(GaloisElement::rotation(params, 1), Level(0)).to_bytes(params).unwrap()
            }
            Self::Seeded => world.encrypt(&values, Level(1)).to_bytes(params).unwrap(),
            Self::Whole => world.encrypt_whole(&values, Level(1)).to_bytes(params).unwrap(),
            Self::Result => {
                let ciphertext = world.encrypt_whole(&values, Level(0));
                ResultCiphertexts::new(params, &[ciphertext], 12).unwrap().to_bytes(params).unwrap()
            }
        }
    }

    /// Why bytes are refused, if they are.
    fn read(self, world: &World, bytes: &[u8]) -> Option<DecodeError> {
        let params = &world.params;
        match self {
            Self::Params => ParamsSpec::from_bytes(bytes).err(),
            Self::Secret => SecretKey::from_bytes(params, bytes).err(),
            Self::Public => PublicKey::from_bytes(params, bytes).err(),
            Self::Relinearization => CompressedRelinearizationKey::from_bytes(params, bytes).err(),
            Self::Galois => CompressedGaloisKey::from_bytes(params, bytes).err(),
            Self::Seeded => SeededCiphertext::from_bytes_at(params, Level(1), bytes).err(),
            Self::Whole => Ciphertext::from_bytes_at(params, Level(1), bytes).err(),
            Self::Result => ResultCiphertexts::from_bytes(params, bytes).err(),
        }
    }
}

/// The name of an error's variant.
fn name(error: &DecodeError) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// The number of the sentence in `docs/wire-format.md` that demands the refusal.
fn rule(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::WrongMagic { .. } => "5.1",
        DecodeError::UnsupportedVersion { .. } => "5.2",
        DecodeError::WrongKind { .. } => "5.3",
        DecodeError::WrongLength { .. } => "5.4",
        DecodeError::ParamsMismatch { .. } => "5.5",
        DecodeError::LevelOutOfRange { .. } => "5.6",
        DecodeError::ReservedNotZero { .. } => "5.7",
        DecodeError::InvalidScale { .. } => "5.8",
        DecodeError::InvalidDroppedBits { .. } => "5.9",
        DecodeError::InvalidCount { .. } => "5.10",
        DecodeError::InvalidGaloisElement { .. } => "5.11",
        DecodeError::ResidueOutOfRange { .. } => "5.12",
        DecodeError::Transparent => "5.13",
        DecodeError::LevelMismatch { .. } | DecodeError::ScaleMismatch { .. } => "5.14",
        other => panic!("no sentence demands {other:?}"),
    }
}

pub(crate) fn file(backend: Backend) -> File {
    let world = World::new(&small(), backend);
    let all = [
        As::Params,
        As::Secret,
        As::Public,
        As::Relinearization,
        As::Galois,
        As::Seeded,
        As::Whole,
        As::Result,
    ];
    let mut vectors = Vec::new();
    let mut add = |kind: As, shows: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = kind.right(&world);
        assert_eq!(kind.read(&world, &bytes), None, "unchanged, a {} is read", kind.name());
        change(&mut bytes);
        let error =
            kind.read(&world, &bytes).unwrap_or_else(|| panic!("{}: {shows} is not refused", kind.name()));
        let vector = Vector::new(format!("{}: {shows}", kind.name()), shows)
            .given("as", kind.name())
            .given("bytes", hex(&bytes))
            .gives("error", name(&error))
            .gives("rule", rule(&error))
            .gives("message", error.to_string());
        vectors.push(vector);
    };
    for kind in all {
        add(kind, "nothing", &|bytes| bytes.clear());
        add(kind, "one byte missing", &|bytes| bytes.truncate(bytes.len() - 1));
        add(kind, "one byte more", &|bytes| bytes.push(0));
        add(kind, "another magic", &|bytes| bytes[3] ^= 0x20);
        add(kind, "another version", &|bytes| bytes[VERSION] = 1);
        add(kind, "another kind", &|bytes| bytes[KIND] = if bytes[KIND] == 6 { 7 } else { 6 });
        add(kind, "an unknown kind", &|bytes| bytes[KIND] = 9);
    }
    for kind in &all[1..] {
        let foreign = World::new(&composite(), backend).params.id();
        add(*kind, "other parameters", &|bytes| bytes[PARAMS_ID..HEADER].copy_from_slice(&foreign.0));
        add(*kind, "a level that does not exist", &|bytes| bytes[LEVEL] = 4);
        add(*kind, "a level of another length", &|bytes| bytes[LEVEL] = 2);
        let dropped = if matches!(kind, As::Result) { 29 } else { 1 };
        add(*kind, "dropped bits that cannot be", &|bytes| bytes[DROPPED_BITS] = dropped);
    }
    for kind in [As::Secret, As::Public, As::Relinearization, As::Galois] {
        add(kind, "a scale", &|bytes| bytes[SCALE] = 1);
    }
    for kind in [As::Secret, As::Public, As::Relinearization, As::Seeded, As::Whole] {
        add(kind, "an argument", &|bytes| bytes[ARGUMENT] = 1);
    }
    for element in [0u32, 1, 2, 64, 65] {
        add(As::Galois, &format!("element {element}"), &|bytes| {
            bytes[ARGUMENT..SCALE].copy_from_slice(&element.to_le_bytes())
        });
    }
    for count in [0u32, 4097, u32::MAX] {
        add(As::Result, &format!("count {count}"), &|bytes| {
            bytes[ARGUMENT..SCALE].copy_from_slice(&count.to_le_bytes())
        });
    }
    for kind in [As::Seeded, As::Whole, As::Result] {
        for scale in [0.0, -1.0, 0.5, f64::INFINITY, f64::NAN] {
            add(kind, &format!("scale {scale}"), &|bytes| {
                bytes[SCALE..PARAMS_ID].copy_from_slice(&scale.to_le_bytes())
            });
        }
    }
    for kind in [As::Seeded, As::Whole] {
        add(kind, "another scale than the level's", &|bytes| bytes[SCALE] ^= 1);
    }
    for kind in &all[2..7] {
        add(*kind, "a residue that is not below its prime", &|bytes| {
            let end = bytes.len();
            bytes[end - 4..].fill(0xff);
        });
    }
    add(As::Whole, "a second component of zero", &|bytes| {
        let half = HEADER + (bytes.len() - HEADER) / 2;
        bytes[half..].fill(0);
    });
    add(As::Params, "reserved bytes", &|bytes| bytes[10] = 1);
    add(As::Params, "no scale", &|bytes| bytes[12..20].fill(0));
    File {
        name: "refusals.json",
        about: "Bytes that must be refused, each with the error. Parameters `small`; ciphertexts are expected at level 1.",
        vectors,
    }
}
