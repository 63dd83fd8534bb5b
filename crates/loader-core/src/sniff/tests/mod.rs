mod round_trip;
mod written;

use super::*;

fn auto(text: &str) -> Sniffed {
    sniff(text.as_bytes(), true, &Written::auto(), &[]).unwrap()
}

#[test]
fn plain_csv_is_what_copy_reads_by_itself() {
    let sniffed = auto("id,name\n1,a\n2,\"b \"\"c\"\"\"\n");
    assert_eq!(sniffed.dialect, Dialect::default());
    assert_eq!(sniffed.doubts, Vec::<String>::new());
}
