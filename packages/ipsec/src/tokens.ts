import { token } from '@ngisec/core';
import type { CryptoProvider } from './crypto/aead.ts';
import type { Sad } from './sad.ts';
import type { Spd } from './spd.ts';

export const CryptoProviderToken = token<CryptoProvider>('ipsec/CryptoProvider');
export const SadToken = token<Sad>('ipsec/Sad');
export const SpdToken = token<Spd>('ipsec/Spd');
