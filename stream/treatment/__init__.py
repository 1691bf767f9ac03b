"""What is done about a signal:

ladder, contact permission, treatments, escalations. Pure; time is the task's clock.
"""
