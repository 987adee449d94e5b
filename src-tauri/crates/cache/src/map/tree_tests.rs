//! The tree against namespaces that are known.
use super::*;

fn tree_of(names: impl IntoIterator<Item = String>, most: usize) -> Tree {
    let (mut tree, colon) = (Tree::bounded(1, most), Delimiters::these(":"));
    for name in names {
        tree.count(name.as_bytes(), &colon);
    }
    tree
}

fn keys(tree: &Tree, path: &[&str]) -> Option<u64> {
    let mut at = ROOT;
    for part in path {
        let (segment, delimiter) = match part.strip_suffix(':') {
            Some(rest) => (rest, Some(b':')),
            None => (*part, None),
        };
        let segment = match segment {
            "*" => Segment::Any(Braces::None),
            "*}" => Segment::Any(Braces::Close),
            part => Segment::Literal(part.as_bytes()),
        };
        at = tree.child(at, Token { segment, delimiter })?;
    }
    Some(tree.total(at))
}

#[test]
fn namespaces_hold_their_keys() {
    let names = (0..300).flat_map(|i| [format!("user:{i}:profile"), format!("user:{i}"), format!("config:{}", i % 3)]);
    let tree = tree_of(names, MOST);
    assert_eq!(keys(&tree, &["user:"]), Some(600), "both kinds");
    assert_eq!(keys(&tree, &["user:", "*:", "profile"]), Some(300), "those that go on");
    assert_eq!(keys(&tree, &["user:", "*"]), Some(300), "and those that end");
    assert_eq!(keys(&tree, &["config:", "*"]), Some(300), "numbers are identifiers");
    assert_eq!(tree.total(ROOT), 900, "all");
    assert_eq!(tree.len(), 6, "and no more nodes than namespaces: user: *: profile, *, config: *");
}

#[test]
fn a_hash_tag_of_several_parts_keeps_its_braces() {
    let tree = tree_of((0..50).map(|i| format!("{{user:{i}}}:cart")), MOST);
    assert_eq!(keys(&tree, &["{user:", "*}:", "cart"]), Some(50), "one namespace, whatever the user");
    assert_eq!(tree.len(), 3, "{{user: *}}: cart");
    // Words in the place of numbers, when there are too many of them.
    let tree = tree_of((0..3_000).map(|i| format!("{{user:a{i}x}}:cart")), MOST);
    assert_eq!(keys(&tree, &["{user:", "*}:", "cart"]), Some(3_000));
}

#[test]
fn too_many_different_parts_are_identifiers_and_heavy_ones_stay() {
    let mut names: Vec<String> = (0..3_000).map(|i| format!("mail:a{i}@x:inbox")).collect();
    names.extend((0..200).map(|i| format!("mail:shared:box{i}")));
    names.extend((0..5_000).map(|i| format!("bare{i}")));
    names.extend((0..100).map(|i| format!("job:state{}", i % 4)));
    // As a scan finds them: in no order.
    let mut draw = Draw::new(7);
    names.sort_by_cached_key(|_| draw.next());
    let tree = tree_of(names, MOST);
    assert_eq!(
        keys(&tree, &["mail:", "*:", "inbox"]),
        Some(3_000),
        "addresses are identifiers, what is below them is joined"
    );
    assert_eq!(keys(&tree, &["mail:", "shared:"]), Some(200), "a namespace among them stays");
    assert_eq!(keys(&tree, &["*"]), Some(5_000), "bare names are identifiers");
    assert_eq!(keys(&tree, &["job:"]), Some(100), "which leaves the namespaces beside them alone");
    assert_eq!(tree.total(ROOT), 8_300, "and no key is lost");
}

#[test]
fn the_tree_is_bounded_and_loses_no_key() {
    // 400 namespaces with 400 names each, and a large one.
    let mut names: Vec<String> = (0..160_000).map(|i| format!("n{}:k{}", i % 400, i / 400)).collect();
    names.extend((0..20_000).map(|i| format!("large:{}", ["a", "b"][i % 2])));
    let mut draw = Draw::new(3);
    names.sort_by_cached_key(|_| draw.next());
    let tree = tree_of(names, 20_000);
    assert!(tree.len() <= 20_000, "bounded: {}", tree.len());
    assert_eq!(tree.total(ROOT), 180_000, "every key is counted somewhere");
    assert_eq!(keys(&tree, &["large:", "a"]), Some(10_000), "what is large keeps its name and its count");
    let mut others = 0;
    tree.each(ROOT, |node| others += if node.part == Part::Others { node.keys } else { 0 });
    assert!(others > 100_000, "the small ones are others: {others}");
}

#[test]
fn examples_are_drawn_evenly_and_are_real_names() {
    let tree = tree_of((0..4_000).map(|i| format!("user:{i}:profile")), MOST);
    let names = tree.examples(ROOT);
    assert_eq!(names.len(), EXAMPLES, "as many as wanted");
    let numbers: Vec<u32> = names
        .iter()
        .map(|n| String::from_utf8_lossy(n).split(':').nth(1).and_then(|n| n.parse().ok()).expect("a number"))
        .collect();
    assert!(numbers.iter().any(|n| *n > 1_000), "late ones are among them: {numbers:?}");
    let literal = tree_of(["config:theme".to_owned(), String::new()], MOST);
    let mut names = literal.examples(ROOT);
    names.sort();
    assert_eq!(names, [b"".to_vec(), b"config:theme".to_vec()], "and names that are held in the tree itself");
}
