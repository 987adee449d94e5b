//! The schema: versions in order, only forward. Each is a file of `engine/migrations`, named by its number and its feature.

/// Makes the list of files.
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        /// Schema versions in order, with the names of their files; entry `n` takes a store from version `n` to `n + 1`.
        pub(super) const MIGRATIONS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../migrations/", $name, ".sql")))),*];
    };
}

migrations! {
    "0001_core",
    "0002_bench",
    "0003_bench",
    "0004_bench",
    "0005_core",
    "0006_changes",
    "0007_reports",
    "0008_database",
    "0009_bench",
    "0010_database",
    "0011_database",
    "0012_bench",
    "0013_database",
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn files_and_list_are_the_same_in_one_order() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let files = std::fs::read_dir(folder).expect("the folder of migrations").flatten();
        let mut names: Vec<String> = files.map(|f| f.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        let listed: Vec<String> = MIGRATIONS.iter().map(|(name, _)| format!("{name}.sql")).collect();
        assert_eq!(names, listed, "every file is listed, in the order of its number");
        for (at, (name, sql)) in (1..).zip(MIGRATIONS) {
            let (number, feature) = name.split_once('_').expect("NNNN_feature");
            assert_eq!(number, format!("{at:04}"), "{name}: numbers have no gap, for they are the store's version");
            assert!(feature.bytes().all(|b| b.is_ascii_lowercase()), "{name} names its feature");
            assert!(sql.trim_end().ends_with(';'), "{name} ends its last statement");
        }
    }
}
