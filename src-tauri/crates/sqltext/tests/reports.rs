//! Scripts that other tools were reported to cut in the wrong place.
use perfdeck_sqltext::{Dialect, statements};

#[test]
fn scripts_of_public_reports_are_split_right() {
    for (script, want) in [
        // A string in dollar quotes inside a body in others.
        (
            "CREATE OR REPLACE FUNCTION public.bug() RETURNS text LANGUAGE sql AS $func$\n\
             select $string$ Run this query: SELECT 123; $string$::text;\n$func$; select 2",
            2,
        ),
        ("create function f() as $$ select 1; $$; select 2", 2),
        (
            "CREATE OR REPLACE FUNCTION trigger_set_updated_at()\nRETURNS TRIGGER AS $$\nBEGIN\n  NEW.updated_at = NOW();\n\
             RETURN NEW;\nEND;\n$$ LANGUAGE plpgsql;\n",
            1,
        ),
        // A semicolon, and an apostrophe, in a comment.
        ("CREATE TABLE x (id int)\n-- note: drop; then re-add\n;\nSELECT 1;", 2),
        ("-- Fixes the route's error handler.\nSELECT 1;\nSELECT 2;\nSELECT 3;\nSELECT 4;\n", 4),
        ("-- Seeding it changes no behaviour; it only lets an administrator grant it.\nINSERT INTO p VALUES (1);", 1),
        ("DO $$ BEGIN PERFORM 1; END $$;", 1),
        // A dollar inside a name opens nothing, and a tag may have letters of other scripts.
        ("select a$$b from t; select $été$ a; b $été$", 2),
    ] {
        let all = statements(script, Dialect::Postgres).unwrap_or_else(|e| panic!("{script}: {e}"));
        assert_eq!(all.len(), want, "{script}: {all:?}");
    }
}
