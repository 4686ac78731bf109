"""Gets each job's message to its requester, from 'in line' to the pictures, past all that Discord may say."""
