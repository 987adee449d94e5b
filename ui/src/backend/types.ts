// The types that cross the boundary. All but those below are generated from Rust.
export type * from './gen/index';
export type { Columns } from './columns';
export type { Frame } from './frames';
