// The desktop: one IPC command for all commands of the engine, one channel for the stream, the native store for preferences.
import { Channel, invoke } from '@tauri-apps/api/core';
import { open, save } from '@tauri-apps/plugin-dialog';
import { load } from '@tauri-apps/plugin-store';
import { toApiError } from './errors';
import type { Backend } from './index';
import { FrameDecoder, TOPICS } from './frames';
import { listen } from './silence';
import type { ApiError, Frame, WireFrame } from './types';

/** The newest watch; one before it hears nothing any more. */
let generation = 0;

function watch(environmentId: string | null, onFrame: (frame: Frame) => void, onState: (error: ApiError | null) => void): () => void {
  const mine = ++generation;
  let stopped = false;
  let wait = 500;
  const subscribe = async (): Promise<void> => {
    if (stopped || mine !== generation) return;
    const channel = new Channel<WireFrame>();
    const decoder = new FrameDecoder();
    channel.onmessage = (frame) => {
      if (stopped || mine !== generation) return;
      try {
        onFrame(decoder.decode(frame));
      } catch (error) {
        onState(toApiError(error));
      }
    };
    try {
      await invoke('subscribe', { environmentId, topics: TOPICS, channel });
      wait = 500;
      onState(null);
    } catch (error) {
      onState(toApiError(error));
      setTimeout(() => void subscribe(), wait);
      wait = Math.min(wait * 2, 5000);
    }
  };
  // Nothing is sent to a hidden window; it gets a snapshot when it is shown again.
  const visible = (): void => {
    if (document.hidden) void invoke('unsubscribe');
    else void subscribe();
  };
  document.addEventListener('visibilitychange', visible);
  void subscribe();
  return () => {
    stopped = true;
    document.removeEventListener('visibilitychange', visible);
    if (mine === generation) void invoke('unsubscribe');
  };
}

/** A command that answers nothing. */
async function asked(command: string, params?: Record<string, unknown>): Promise<void> {
  try {
    await invoke(command, params);
  } catch (error) {
    throw toApiError(error);
  }
}

export async function desktop(): Promise<Backend> {
  const store = load('preferences.json', { autoSave: 200, defaults: {} });
  return {
    kind: 'desktop',
    looks: false,
    async call(name, params) {
      try {
        return await invoke('rpc', { name, params: params ?? {} });
      } catch (error) {
        throw toApiError(error);
      }
    },
    watch: (environmentId, onFrame, onState) => listen((frame, state) => watch(environmentId, frame, state), onFrame, onState),
    async getPreference(key) {
      return (await store).get(key);
    },
    async setPreference(key, value) {
      await (await store).set(key, value);
    },
    openReport: (id, folder) => asked('open_report', { id, folder }),
    openDataDir: () => asked('open_data_dir'),
    async chooseFile(title) {
      const chosen = await open({ title, multiple: false, directory: false });
      return typeof chosen === 'string' ? chosen : null;
    },
    saveDialog: (title, name) => save({ title, defaultPath: name }),
  };
}
