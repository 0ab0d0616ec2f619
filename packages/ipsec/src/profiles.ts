import { ahEsp } from './ah-esp.ts';
import { compact } from './compact.ts';
import type { ProfileName } from './crypto/suites.ts';
import type { Profile } from './profile.ts';

export const profiles: Readonly<Record<ProfileName, Profile>> = { compact, 'ah-esp': ahEsp };
