#!/usr/bin/env node
import { ngisec } from './command.ts';

process.exitCode = await ngisec(process.argv.slice(2));
