use async_compression::tokio::write::GzipEncoder;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio::io::AsyncWriteExt;

use super::super::model::{self, run, stream_of};
use super::*;

async fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    run(gzip(bytes))
}

/// Unpacks and reads everything.
fn whole(chunks: Vec<Bytes>) -> Result<(Vec<u8>, bool)> {
    run(async {
        let unpacked = unpack(stream_of(chunks)).await?;
        let parts: Vec<Bytes> = unpacked.body.try_collect().await?;
        Ok((parts.concat(), unpacked.gzip))
    })
}

fn text_of(stored: &[u8]) -> Result<String> {
    whole(vec![Bytes::copy_from_slice(stored)]).map(|(bytes, _)| String::from_utf8(bytes).unwrap())
}

fn refusal(stored: &[u8]) -> String {
    let error = text_of(stored).unwrap_err();
    assert_eq!(error.name, ErrorName::UnsupportedFormat);
    error.message
}

#[test]
fn gzip_is_known_by_its_bytes() {
    assert_eq!(whole(vec![Bytes::from_static(b"a\n")]).unwrap(), (b"a\n".to_vec(), false));
    assert_eq!(whole(vec![Bytes::from(zip(b"a\n"))]).unwrap(), (b"a\n".to_vec(), true));
    assert_eq!(text_of(b"").unwrap(), "");
    assert_eq!(text_of(&zip(b"")).unwrap(), "");
}

#[test]
fn joined_members_are_one_text() {
    let joined = [zip(b"a\n1\n"), zip(b""), zip(b"2\n")].concat();
    assert_eq!(text_of(&joined).unwrap(), "a\n1\n2\n");
}

#[test]
fn zeros_after_the_last_member_are_ignored() {
    let mut padded = [zip(b"a\n"), zip(b"b\n")].concat();
    padded.extend([0; 5000]);
    assert_eq!(text_of(&padded).unwrap(), "a\nb\n");
    padded.push(1);
    assert!(refusal(&padded).contains("damaged: something follows the zeros"));
}

#[test]
fn damaged_gzip_is_refused() {
    let zipped = zip(b"some text, some text, some text\n");
    for end in 2..zipped.len() {
        let message = refusal(&zipped[..end]);
        assert!(message.contains("damaged: it ends in the middle"), "{end}: {message}");
    }
    let mut wrong_sum = zipped.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    assert!(refusal(&wrong_sum).contains("the object is damaged: "));
    let second_cut = [zipped.clone(), zipped[..12].to_vec()].concat();
    assert!(refusal(&second_cut).contains("ends in the middle"));
    let garbage = [zipped, b"garbage".to_vec()].concat();
    assert!(refusal(&garbage).contains("the object is damaged: "));
}

#[test]
fn what_comes_before_the_damage_still_comes_out() {
    let mut stored = zip(b"a\n1\nmore than tells the format\n");
    stored.extend(&zip(b"2\n")[..12]);
    let unpacked = run(unpack(stream_of(vec![Bytes::from(stored)]))).unwrap();
    let items: Vec<Result<Bytes>> = run(unpacked.body.collect());
    assert!(items[0].as_ref().unwrap().starts_with(b"a\n1\nmore than tells the format\n"));
    assert!(items.last().unwrap().is_err());
}

#[test]
fn a_byte_order_mark_is_taken_off_once() {
    assert_eq!(text_of("\u{feff}a\n".as_bytes()).unwrap(), "a\n");
    assert_eq!(text_of("\u{feff}\u{feff}a".as_bytes()).unwrap(), "\u{feff}a");
    assert_eq!(text_of(&zip("\u{feff}a\n".as_bytes())).unwrap(), "a\n");
    let split = "\u{feff}a".as_bytes().chunks(1).map(Bytes::copy_from_slice).collect();
    assert_eq!(whole(split).unwrap().0, b"a");
    let marked = |text: &'static str| run(unpack(stream_of(vec![text.into()]))).unwrap().bom;
    assert!(marked("\u{feff}a") && !marked("a"));
}

#[test]
fn other_formats_are_refused_within_gzip_too() {
    assert!(refusal(b"PK\x03\x04 and so on").contains("a ZIP archive"));
    assert!(refusal(&zip(b"PAR1\x15\x04")).contains("within gzip, is Parquet"));
    assert!(refusal(&zip(&zip(b"a"))).contains("gzip within gzip"));
}

#[test]
fn wide_text_is_unpacked_with_its_mark_for_who_can_read_it() {
    let text = b"\xff\xfea\x00,\x00";
    assert!(refusal(text).contains("UTF-16"));
    let written = Written { encoding: Some("UTF-16LE".to_owned()), ..Written::default() };
    for stored in [text.to_vec(), zip(text)] {
        let unpacked = run(unpack_written(stream_of(vec![Bytes::from(stored)]), &written)).unwrap();
        let parts: Vec<Bytes> = run(unpacked.body.try_collect()).unwrap();
        assert_eq!(parts.concat(), text);
    }
    assert!(run(unpack_written(stream_of(vec![Bytes::from(&b"PK\x03\x04"[..])]), &written)).is_err());
}

#[test]
fn errors_of_the_source_pass_unchanged() {
    // Longer than what tells the format, so that the error comes after it.
    let text: Vec<u8> = (0..200).flat_map(|n| format!("{n},{}\n", n * n).into_bytes()).collect();
    for stored in [text.clone(), zip(&text)] {
        let half = Bytes::copy_from_slice(&stored[..stored.len() / 2]);
        for before in [vec![], vec![half]] {
            let mut error = Error::new(ErrorName::SourceUnavailable, "broke off");
            error.sqlstate = Some("x".to_owned());
            let chunks = before.into_iter().map(Ok).chain([Err(error)]).collect::<Vec<_>>();
            let outcome = run(async {
                let unpacked = unpack(Box::pin(stream::iter(chunks))).await?;
                unpacked.body.try_collect::<Vec<_>>().await
            });
            let error = outcome.unwrap_err();
            assert_eq!(error.name, ErrorName::SourceUnavailable);
            assert_eq!((error.message.as_str(), error.sqlstate.as_deref()), ("broke off", Some("x")));
        }
    }
}

#[test]
fn chunks_stay_small_however_well_it_was_compressed() {
    let unpacked = run(unpack(stream_of(vec![Bytes::from(zip(&vec![b'x'; 8 << 20]))]))).unwrap();
    let mut body = unpacked.body;
    let mut total = 0;
    while let Some(chunk) = run(body.next()) {
        let chunk = chunk.unwrap();
        assert!(chunk.len() <= 256 * 1024, "{}", chunk.len());
        total += chunk.len();
    }
    assert_eq!(total, 8 << 20);
}

proptest! {
    #[test]
    fn any_chunks_of_any_members_give_the_text(
        members in proptest::collection::vec(model::object(), 1..4),
        zeros in 0_usize..20,
        cuts in proptest::collection::vec(any::<Index>(), 0..12),
        packed in any::<bool>(),
    ) {
        let text = members.concat();
        let stored = if packed {
            let mut stored: Vec<u8> = members.iter().flat_map(|member| zip(member)).collect();
            stored.resize(stored.len() + zeros, 0);
            stored
        } else {
            text.clone()
        };
        prop_assert_eq!(whole(model::chunks(&stored, &cuts)).unwrap(), (text, packed));
    }
}
