//! One folder for each feature: its commands, its work, its tables in the store. A feature does not import another.
pub(crate) mod bench;
pub(crate) mod cache;
pub(crate) mod database;
pub(crate) mod environments;
pub(crate) mod monitoring;
pub(crate) mod reports;

/// The kinds of changes of all features.
pub(crate) fn change_kinds() -> Vec<Box<dyn crate::core::changes::ChangeKind>> {
    vec![
        Box::new(cache::take::kind::Invalidate),
        Box::new(database::create_index::CreateIndex),
        Box::new(database::drop_index::DropIndex),
        Box::new(database::hide_index::HideIndex),
        Box::new(database::end_session::EndSession::CANCEL),
        Box::new(database::end_session::EndSession::TERMINATE),
        Box::new(cache::keys::edit::CacheEdit),
    ]
}
