
export type CacheClientsRequest = { environment_id: string, all: boolean, };
